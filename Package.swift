// swift-tools-version: 6.2
import PackageDescription

/// A C library, seen through a module map and a header of inline functions for what the importer cannot see.
func shim(_ name: String, pkgConfig: String? = nil, apt: String) -> Target {
  .systemLibrary(name: name, path: "CShims/\(name)", pkgConfig: pkgConfig, providers: [.apt([apt])])
}

let settings: [SwiftSetting] = [
  .enableUpcomingFeature("ExistentialAny"),
  .enableUpcomingFeature("InternalImportsByDefault"),
  .enableUpcomingFeature("MemberImportVisibility"),
  // libsoup-3.0.pc carries -pthread, which SwiftPM warns about and drops; its include path alone is what we need.
  .unsafeFlags(["-Xcc", "-I/usr/include/libsoup-3.0"]),
]

func module(_ name: String, _ dependencies: [Target.Dependency] = []) -> Target {
  .target(name: name, dependencies: dependencies, swiftSettings: settings)
}

func tests(_ name: String, _ dependencies: [Target.Dependency]) -> Target {
  .testTarget(
    name: name, dependencies: dependencies, swiftSettings: settings)
}

let argumentParser = Target.Dependency.product(name: "ArgumentParser", package: "swift-argument-parser")
let system = Target.Dependency.product(name: "SystemPackage", package: "swift-system")
let logging = Target.Dependency.product(name: "Logging", package: "swift-log")

let package = Package(
  name: "talkbridge",
  products: [.executable(name: "talkbridge", targets: ["talkbridge"])],
  dependencies: [
    .package(url: "https://github.com/apple/swift-argument-parser", exact: "1.8.2"),
    .package(url: "https://github.com/apple/swift-log", exact: "1.16.2"),
    .package(url: "https://github.com/apple/swift-system", exact: "1.8.1"),
  ],
  targets: [
    // C libraries. The .pc files of libnice, libsoup and libpulse carry -pthread, which SwiftPM refuses with a warning
    // (usrsctp.pc: -DINET); glib-2.0.pc has the only include path of theirs that is not a default one.
    shim("CGLib", pkgConfig: "glib-2.0", apt: "libglib2.0-dev"),
    shim("CNice", pkgConfig: "glib-2.0", apt: "libnice-dev"),
    shim("CSoup", pkgConfig: "glib-2.0", apt: "libsoup-3.0-dev"),
    shim("CPulse", pkgConfig: "glib-2.0", apt: "libpulse-dev"),
    shim("CCurl", pkgConfig: "libcurl", apt: "libcurl4-openssl-dev"),
    shim("COpenSSL", pkgConfig: "openssl", apt: "libssl-dev"),
    shim("CCrypto", apt: "libssl-dev"),
    shim("CSRTP", pkgConfig: "libsrtp2", apt: "libsrtp2-dev"),
    shim("COpus", pkgConfig: "opus", apt: "libopus-dev"),
    shim("CUSRSCTP", apt: "libusrsctp-dev"),
    shim("CSpeexDSP", pkgConfig: "speexdsp", apt: "libspeexdsp-dev"),
    shim("CQREncode", apt: "libqrencode-dev"),
    shim("CSndFile", pkgConfig: "sndfile", apt: "libsndfile1-dev"),

    // Ground floor: pure values and state machines.
    module("RTP"),
    module("SDP"),
    module("Audio"),
    module("Playout", ["Audio"]),
    module("TalkProtocol"),
    module("Transport"),
    module("Transcripts", ["TalkProtocol", "Transport"]),

    // First floor: one library each.
    module("GLibLoop", ["CGLib"]),
    module("ICE", ["CNice", "CGLib", "GLibLoop"]),
    module("DTLSSRTP", ["COpenSSL", "CSRTP"]),
    module("Signatures", ["CCrypto"]),
    module("DataChannel", ["CUSRSCTP", "GLibLoop"]),
    module("OpusCodec", ["COpus", "Playout"]),
    module("QRCode", ["CQREncode"]),
    module("Resampling", ["CSpeexDSP"]),
    module("AudioFiles", ["CSndFile", "GLibLoop", "Audio", "Resampling"]),
    module("PulseAudioIO", ["CPulse", "CGLib", "GLibLoop", "Audio"]),
    module("HTTPClient", ["CCurl", "GLibLoop", "Transport"]),
    module("WebTransport", ["CSoup", "CGLib", "GLibLoop", "Transport"]),

    // Second floor.
    module("PeerConnection", ["RTP", "SDP", "GLibLoop", "ICE", "DTLSSRTP", "DataChannel", logging]),
    module(
      "TalkClient",
      ["TalkProtocol", "GLibLoop", "HTTPClient", "WebTransport", "Transport", "Signatures", logging]),

    // Third floor.
    module(
      "Gateway",
      [
        "RTP", "SDP", "Audio", "Playout", "TalkProtocol", "Transport", "GLibLoop", "ICE", "DTLSSRTP", "OpusCodec",
        "PeerConnection", "TalkClient",
      ]),
    module(
      "TalkRoom",
      [
        "RTP", "SDP", "ICE", "DTLSSRTP", "Signatures", "TalkProtocol", "GLibLoop", "HTTPClient", "WebTransport",
        "Transport", "PeerConnection", logging,
      ]),
    module(
      "Inspection",
      [
        "TalkProtocol", "GLibLoop", "ICE", "AudioFiles", "HTTPClient", "WebTransport", "Transport", "PeerConnection",
        "TalkClient", "Gateway", logging,
      ]),

    // Roof.
    .executableTarget(
      name: "talkbridge",
      dependencies: [
        "Audio", "Playout", "TalkProtocol", "Transcripts", "GLibLoop", "AudioFiles", "PulseAudioIO", "TalkClient",
        "Transport", "Gateway", "TalkRoom", "Inspection", "QRCode", argumentParser, system, logging,
      ],
      swiftSettings: settings),

    // Benchmarks: what is measured, not the measuring (Tests/Benchmarks/receive-path).
    .executableTarget(
      name: "bench-receiver",
      dependencies: [
        "Audio", "Playout", "GLibLoop", "ICE", "DTLSSRTP", "HTTPClient", "AudioFiles", "PeerConnection", "Gateway",
      ],
      path: "Tests/Benchmarks/bench-receiver", swiftSettings: settings),

    .executableTarget(
      name: "bench-playout", dependencies: ["Playout", "OpusCodec", "PlayoutSimulator", "TestSupport"],
      path: "Tests/Benchmarks/playout/bench-playout", swiftSettings: settings),

    // Tests.
    .target(
      name: "PlayoutSimulator", dependencies: ["Playout", "Resampling", "TestSupport"], path: "Tests/PlayoutSimulator",
      swiftSettings: settings),
    .target(
      name: "TestSupport", dependencies: ["Audio", "GLibLoop", "WebTransport"], path: "Tests/TestSupport",
      swiftSettings: settings),
    .target(
      name: "TalkScenarios",
      dependencies: [
        "TalkRoom", "HTTPClient", "WebTransport", "TalkProtocol", "GLibLoop", "Transport", "PeerConnection", "RTP",
        "SDP", "ICE", "DTLSSRTP", "TestSupport",
      ],
      path: "Tests/TalkScenarios", swiftSettings: settings),
    .target(
      name: "RecordedCalls", dependencies: ["TalkProtocol", "TestSupport"], path: "Tests/RecordedCalls",
      swiftSettings: settings),
    tests("RTPTests", ["RTP", "TestSupport"]),
    tests("SDPTests", ["SDP", "TestSupport"]),
    tests("AudioTests", ["Audio", "TestSupport"]),
    tests("PlayoutTests", ["Playout", "PlayoutSimulator", "OpusCodec", "Audio", "TestSupport"]),
    tests("TalkProtocolTests", ["TalkProtocol", "RecordedCalls", "TestSupport"]),
    tests("GLibLoopTests", ["GLibLoop", "TestSupport"]),
    tests("ICETests", ["ICE", "GLibLoop", "TestSupport"]),
    tests("DTLSSRTPTests", ["DTLSSRTP", "TestSupport"]),
    tests("SignaturesTests", ["Signatures", "TestSupport"]),
    tests("QRCodeTests", ["QRCode"]),
    tests("DataChannelTests", ["DataChannel", "GLibLoop", "TestSupport"]),
    tests("OpusCodecTests", ["OpusCodec", "Playout", "Audio", "TestSupport"]),
    tests("AudioFilesTests", ["AudioFiles", "Resampling", "GLibLoop", "Audio", "TestSupport"]),
    tests("PulseAudioIOTests", ["PulseAudioIO", "GLibLoop", "Audio", "TestSupport"]),
    tests("TransportTests", ["Transport", "TestSupport"]),
    tests("TranscriptsTests", ["Transcripts", "TalkProtocol", "Transport", "TestSupport"]),
    tests("HTTPClientTests", ["HTTPClient", "WebTransport", "Transport", "GLibLoop", "TestSupport"]),
    tests("WebTransportTests", ["WebTransport", "Transport", "GLibLoop", "TestSupport"]),
    tests(
      "PeerConnectionTests", ["PeerConnection", "RTP", "SDP", "ICE", "DTLSSRTP", "GLibLoop", "TestSupport"]),
    tests(
      "TalkClientTests",
      ["TalkClient", "TalkProtocol", "WebTransport", "Transport", "GLibLoop", logging, "TestSupport"]),
    tests("GatewayTests", ["Gateway", "TalkRoom", "Transport", "Audio", "AudioFiles", "TestSupport"]),
    tests("InspectionTests", ["Inspection", "TalkProtocol", "ICE", "Transport", "TestSupport"]),
    tests(
      "TalkRoomTests",
      [
        "TalkRoom", "TalkClient", "TalkProtocol", "WebTransport", "HTTPClient", "Transport", "GLibLoop",
        "TalkScenarios", "RecordedCalls", "TestSupport",
      ]),
    tests(
      "CommandLineTests",
      [
        "talkbridge", "TalkRoom", "TalkProtocol", "Gateway", "Playout", "PulseAudioIO", "Transport", "Audio",
        "GLibLoop",
        "TalkScenarios", "RecordedCalls", argumentParser, "TestSupport",
      ]),
    tests(
      "SystemTests",
      [
        "TalkRoom", "TalkScenarios", "TalkClient", "TalkProtocol", "Gateway", "Audio", "AudioFiles", "OpusCodec",
        "WebTransport", "Transport", logging, "TestSupport",
      ]
    ),
  ],
  swiftLanguageModes: [.v6]
)
