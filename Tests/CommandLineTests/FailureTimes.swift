import Foundation
import Glibc
import TalkProtocol
import TalkRoom
import TestSupport
import Testing

@testable import talkbridge

/// Every failure that can be provoked, with its exit code. How soon each is told is measured, and demanded only by
/// Tests/Benchmarks/failure-times, which uses the name.
@Suite struct FailureTimes {
  @Test func `are within their limits`() async throws {
    let environment = ProcessInfo.processInfo.environment
    let isDemanded = environment["FAILURE_TIMES"] != nil
    // What waits for nobody is measured alone; what waits does so beside the others.
    var results: [(row: Row, exit: ChildProcess.Exit, seconds: Double, story: String)] = []
    for row in Row.all where row.limit <= 1 { results.append(try await row.run()) }
    try await withThrowingTaskGroup(of: (Row, ChildProcess.Exit, Double, String).self) { group in
      for row in Row.all where row.limit > 1 { group.addTask { try await row.run() } }
      for try await result in group { results.append(result) }
    }
    print("code  seconds  limit  failure")
    for (row, exit, seconds, story) in results.sorted(by: { $0.row.cause.rawValue < $1.row.cause.rawValue }) {
      let isLate = seconds > row.limit
      print(
        String(format: "%4d  %7.2f  %5.0f  ", row.cause.rawValue, seconds, row.limit) + row.name
          + (isLate ? "  <- LATE" : ""))
      #expect(exit == .code(row.cause.rawValue), "\(row.name): \(story)")
      if isDemanded { #expect(!isLate, "\(row.name): \(seconds) s\n\(story)") }
    }
  }
}

extension FailureTimes {
  /// Something that goes wrong, and how it is told.
  struct Row: Sendable {
    let name: String
    let cause: ExitCause
    /// Seconds, from the start of the program or, where the failure comes later, from the failure.
    let limit: Double
    /// Starts the program; the time is counted from that, or from the end of the trigger that it returns.
    let provoke: @Sendable (Scene) async throws -> (ChildProcess, trigger: (@Sendable () async throws -> Void)?)

    func run() async throws -> (Row, ChildProcess.Exit, Double, String) {
      let scene = Scene()
      do {
        let (child, trigger) = try await provoke(scene)
        var start = scene.start
        if let trigger {
          try await trigger()
          start = .now
        }
        let exit = try await child.exit(within: .seconds(60))
        let time = ContinuousClock.now - start
        await scene.close()
        return (self, exit, time / .seconds(1), child.transcript)
      } catch {
        await scene.close()
        throw DeadlineExceeded(description: "\(name): \(error)")
      }
    }
  }

  /// What a failure needs around it.
  final class Scene: @unchecked Sendable {
    // Used by one row, from one task at a time.
    private var rooms: [EmbeddedRoom] = []
    private var listeners: [DeafListener] = []
    private var authorities: [TestAuthority] = []
    private var others: [ChildProcess] = []
    private(set) var start = ContinuousClock.now

    func room(
      _ change: (inout EmbeddedRoom.Options, inout HostedConversation) -> Void = { _, _ in }
    ) async throws -> (room: EmbeddedRoom, url: String) {
      var options = EmbeddedRoom.Options()
      var conversation = HostedConversation(token: token, name: "Test room")
      change(&options, &conversation)
      let room = EmbeddedRoom(options, conversations: [conversation])
      rooms.append(room)
      return (room, try await room.start() + "/call/\(token)")
    }

    /// Somebody else, who is there until the end.
    func keep(_ child: ChildProcess) { others.append(child) }

    func certificate() async throws -> (certificateFile: String, keyFile: String) {
      let authority = try TestAuthority()
      authorities.append(authority)
      return try await authority.issue(["IP:127.0.0.1"])
    }

    func deafListener(answersSYN: Bool) throws -> Int {
      let listener = try DeafListener(answersSYN: answersSYN)
      listeners.append(listener)
      return listener.port
    }

    /// Starts the program, from when the time is counted.
    func program(_ words: [String], environment: [String: String] = [:]) throws -> ChildProcess {
      let program = ProcessInfo.processInfo.environment["TALKBRIDGE"] ?? "talkbridge"
      start = .now
      return try ChildProcess(program, words, environment: environment)
    }

    func record(_ url: String, _ more: [String] = []) throws -> ChildProcess {
      try program(["record", url, "--output", "none", "--ice-address", "127.0.0.1"] + more)
    }

    func join(
      _ url: String, _ more: [String] = [], address: String = "127.0.0.1", environment: [String: String] = [:]
    ) throws -> ChildProcess {
      try program(
        ["join", url, "--input", "none", "--output", "none", "--ice-address", address] + more, environment: environment)
    }

    func close() async {
      others = []
      for room in rooms { await room.stop() }
      listeners = []
    }
  }
}

extension FailureTimes.Row {
  private init(
    _ name: String, _ cause: ExitCause, within limit: Double = 1,
    _ provoke: @escaping @Sendable (FailureTimes.Scene) async throws -> ChildProcess
  ) {
    self.init(name: name, cause: cause, limit: limit) { (try await provoke($0), nil) }
  }

  static let all = addresses + admission + signaling + media + ends + calls

  private static let addresses = [
    Self("not an address", .notAnAddress) { try $0.record("not a url") },
    Self("a command line that is not understood", .usage) { try $0.program(["join", "x", "--duration", "soon"]) },
    Self("a host that refuses connections", .hostUnreachable) { try $0.record("http://127.0.0.1:1/call/abcd1234") },
    Self("a name that does not resolve", .hostUnreachable, within: 10) {
      try $0.record("https://nobody.invalid/call/abcd1234")
    },
    Self("a host that swallows everything", .hostUnreachable, within: 10) {
      try $0.record("http://127.0.0.1:\(try $0.deafListener(answersSYN: false))/call/abcd1234")
    },
    Self("a host that never answers", .hostUnreachable, within: 10) {
      try $0.record("http://127.0.0.1:\(try $0.deafListener(answersSYN: true))/call/abcd1234")
    },
    Self("TLS that never comes about", .hostUnreachable, within: 10) {
      try $0.record("https://127.0.0.1:\(try $0.deafListener(answersSYN: true))/call/abcd1234")
    },
    Self("a certificate that nobody vouches for", .tlsFailure) { scene in
      let files = try await scene.certificate()
      return try scene.record(
        try await scene.room { options, _ in
          (options.certificateFile, options.keyFile) = (files.certificateFile, files.keyFile)
        }.url)
    },
    Self("another web server", .notATalkServer) { scene in
      let (room, url) = try await scene.room()
      await room.setFaults { $0.refusedRequests["/cloud/capabilities"] = 404 }
      return try scene.record(url)
    },
  ]

  private static let admission = [
    Self("no such conversation", .unknownRoom) { try $0.record(try await $0.room().url + "x") },
    Self("a password is needed", .passwordNeeded) { try $0.record(try await $0.room { $1.password = "secret" }.url) },
    Self("banned", .banned) { try $0.record(try await $0.room { $1.bansGuests = true }.url) },
    Self("the lobby", .lobby) { try $0.record(try await $0.room { $1.hasLobby = true }.url) },
    Self("a locked conversation", .callForbidden) { try $0.join(try await $0.room { $1.isReadOnly = true }.url) },
    Self("consent is needed", .consentRequired) {
      try $0.join(try await $0.room { $1.requiresRecordingConsent = true }.url)
    },
    Self("a wrong app password", .loginRefused) { scene in
      let (room, url) = try await scene.room()
      await room.addUser("anna", displayName: "Anna A.", appPassword: "right")
      return try scene.join(url, ["--user", "anna"], environment: ["TALKBRIDGE_PASSWORD": "wrong"])
    },
    Self("the server fails", .serverBusy) { scene in
      let (room, url) = try await scene.room()
      await room.setFaults { $0.refusedRequests["/participants/active"] = 500 }
      return try scene.record(url)
    },
  ]

  private static let signaling = [
    Self("no signaling server", .noSignalingServer) { scene in
      let (room, url) = try await scene.room()
      await room.setInternalSignaling(true)
      return try scene.record(url)
    },
    Self("too many sessions", .sessionLimit) { scene in
      let (room, url) = try await scene.room()
      await room.setFaults { $0.refusedMessages["hello"] = "session_limit_exceeded" }
      return try scene.record(url)
    },
    Self("hello is refused", .helloRefused) { scene in
      let (room, url) = try await scene.room()
      await room.setFaults { $0.refusedMessages["hello"] = "invalid_token" }
      return try scene.record(url)
    },
    Self("the signaling server refuses sockets", .signalingUnreachable) { scene in
      let (room, url) = try await scene.room()
      await room.setFaults { $0.refusedHandshake = 502 }
      return try scene.record(url)
    },
    Self("a signaling server that swallows everything", .signalingUnreachable, within: 10) {
      // Without a name: Nextcloud would try to tell it to the signaling server, too.
      try $0.record(try await $0.room(signalingAt: try $0.deafListener(answersSYN: false)), ["--name", ""])
    },
    Self("a signaling server that never answers", .signalingUnreachable, within: 10) {
      try $0.record(try await $0.room(signalingAt: try $0.deafListener(answersSYN: true)), ["--name", ""])
    },
    Self("hello is not answered", .signalingUnreachable, within: 10) { scene in
      let (room, url) = try await scene.room { options, _ in options.deadlines.hello = .seconds(60) }
      await room.setFaults { $0.ignoredMessages = ["hello"] }
      return try scene.record(url)
    },
    Self("the room is not entered", .signalingUnreachable, within: 10) { scene in
      let (room, url) = try await scene.room { options, _ in options.deadlines.room = .seconds(60) }
      await room.setFaults { $0.ignoredMessages = ["room"] }
      return try scene.record(url)
    },
  ]

  private static let media = [
    Self("relays only, and no TURN server", .noICEPath) { try $0.join(try await $0.room().url, ["--relay-only"]) },
    Self("no path for the sound", .noICEPath, within: 10) { try $0.join(try await $0.room().url, address: "::1") },
  ]

  private static let ends = [
    Self("no such input file", .inputUnusable) {
      try $0.program(["join", try await $0.room().url, "--input", "/nowhere/x.wav", "--output", "none"])
    },
    Self("an output that cannot be written", .outputUnwritable) {
      try $0.program(["record", try await $0.room().url, "--output", "/nowhere/x.wav"])
    },
    Self("no PulseAudio", .noPulseAudio) {
      try $0.program(
        ["join", try await $0.room().url], environment: ["PULSE_SERVER": "unix:/nowhere/pulse.socket"])
    },
    Self(name: "the disk is full", cause: .diskFull, limit: 1) { scene in
      let (_, url) = try await scene.room()
      let speaker = try ChildProcess(
        "talkbridge", ["join", url, "--input", "none", "--output", "none", "--ice-address", "127.0.0.1"])
      scene.keep(speaker)
      let child = try scene.program(
        ["record", url, "--output", "/dev/full", "--ice-address", "127.0.0.1", "--json"])
      try await child.tells(#""event":"started""#)
      return (child, {})
    },
  ]

  private static let calls = [
    during("removed from the call", .removed) { await $0.remove("Anna", from: token) },
    during("the conversation is deleted", .removed) { await $0.delete(token) },
    during("the lobby is closed", .lobby) { await $0.change(token) { $0.hasLobby = true } },
    during("the call ends for everyone", .success) { await $0.endCall(token) },
  ]

  /// What befalls a call that is going on.
  private static func during(
    _ name: String, _ cause: ExitCause, _ happens: @escaping @Sendable (EmbeddedRoom) async -> Void
  ) -> Self {
    Self(name: name, cause: cause, limit: 1) { scene in
      let (room, url) = try await scene.room()
      let child = try scene.join(url, ["--name", "Anna", "--json"])
      try await child.tells(#""phase":"in-call""#)
      return (child, { await happens(room) })
    }
  }
}

extension FailureTimes.Scene {
  /// The address of a conversation whose signaling server is at a port of loopback.
  fileprivate func room(signalingAt port: Int) async throws -> String {
    try await room { options, _ in
      options.externalSignaling = .init(url: "http://127.0.0.1:\(port)", secret: "secret")
    }.url
  }
}

/// A port of loopback at which somebody listens who never says a word.
private final class DeafListener {
  let port: Int
  private var descriptors: [Int32] = []

  /// - Parameter answersSYN: Off: not even TCP is answered, as by a firewall that drops.
  init(answersSYN: Bool) throws {
    let listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
    descriptors.append(listener)
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
    var length = socklen_t(MemoryLayout<sockaddr_in>.size)
    let isListening = withUnsafeMutablePointer(to: &address) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
        bind(listener, address, length) == 0 && listen(listener, answersSYN ? 64 : 0) == 0
          && getsockname(listener, address, &length) == 0
      }
    }
    guard isListening else { throw POSIXError(.EADDRNOTAVAIL) }
    port = Int(UInt16(bigEndian: address.sin_port))
    guard !answersSYN else { return }
    // With its queue full, the kernel drops whatever else comes.
    for _ in 0..<4 {
      let client = socket(
        AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue) | Int32(SOCK_NONBLOCK.rawValue), 0)
      descriptors.append(client)
      _ = withUnsafePointer(to: &address) {
        $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { connect(client, $0, length) }
      }
    }
  }

  deinit { for descriptor in descriptors { close(descriptor) } }
}
