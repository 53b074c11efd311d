internal import COpenSSL

/// Why a DTLS association could not be made or was lost. All cases but `messageTooLong` and `notConnected` are final.
public enum DTLSError: Error, Sendable, Equatable, CustomStringConvertible {
  /// OpenSSL refused something of ours: a key, a certificate, a context.
  case setup(String)
  /// The peer's records or messages were refused by OpenSSL, or ours by the peer (then the reason names its alert).
  case handshake(String)
  /// The peer did not answer although every flight was sent again and again.
  case timedOut
  /// The certificate shown is not the one that signaling announced: somebody sits in between, or signaling mixed up
  /// two peers.
  case fingerprintMismatch(shown: CertificateFingerprint)
  /// The peer agreed to none of our SRTP profiles.
  case noSRTPProfile
  /// Data was to be sent, or keys asked for, while the association is not connected.
  case notConnected
  /// Application data does not fit into one DTLS record.
  case messageTooLong(Int)

  public var description: String {
    switch self {
    case .setup(let reason):
      "OpenSSL could not set up DTLS: \(reason). Check the installed OpenSSL (3.0 or newer is needed) and its configuration."
    case .handshake(let reason):
      "The encrypted connection (DTLS) failed: \(reason). No media can flow; connect again."
    case .timedOut:
      "The peer did not answer the DTLS handshake. A firewall or a broken network path in between is likely; connect again."
    case .fingerprintMismatch(let shown):
      "The peer's certificate (sha-256 \(shown)) is not the one that signaling announced. The connection was refused, as it may be intercepted."
    case .noSRTPProfile:
      "The peer supports none of the SRTP profiles AEAD_AES_128_GCM, AEAD_AES_256_GCM and AES128_CM_SHA1_80, so no media can flow."
    case .notConnected:
      "The DTLS association is not connected yet or no more."
    case .messageTooLong(let count):
      "\(count) bytes do not fit into one DTLS record (at most \(DTLSEndpoint.maximumMessageLength))."
    }
  }
}

/// OpenSSL's queue of errors of this thread, taken and emptied, newest last.
func takeOpenSSLErrors() -> String {
  var reasons: [String] = []
  while true {
    let code = ERR_get_error()
    guard code != 0 else { break }
    if reasons.count < 4 {
      reasons.append(ERR_reason_error_string(code).map { String(cString: $0) } ?? "error \(code)")
    }
  }
  return reasons.isEmpty ? "no reason given" : reasons.joined(separator: ", ")
}
