internal import COpenSSL

/// A key and a self-signed certificate (ECDSA on P-256) to take part in DTLS handshakes with: one per process, or one
/// for each connection that should not be linked with the others.
public final class DTLSIdentity: Sendable {
  /// What the SDP announces as `a=fingerprint:sha-256`.
  public let fingerprint: CertificateFingerprint
  // Configured here and never changed again; OpenSSL allows to derive connections from it on any thread.
  nonisolated(unsafe) let context: OpaquePointer

  /// Makes a new key and a certificate for a year.
  public init() throws(DTLSError) {
    ERR_clear_error()
    guard let key = COpenSSL_generate_p256() else { throw .setup(takeOpenSSLErrors()) }
    defer { EVP_PKEY_free(key) }
    guard let certificate = Self.makeCertificate(for: key) else { throw .setup(takeOpenSSLErrors()) }
    defer { X509_free(certificate) }
    guard let fingerprint = CertificateFingerprint(of: certificate) else { throw .setup(takeOpenSSLErrors()) }
    self.fingerprint = fingerprint
    guard let context = SSL_CTX_new(DTLS_method()) else { throw .setup(takeOpenSSLErrors()) }
    guard Self.configure(context, key: key, certificate: certificate) else {
      let reason = takeOpenSSLErrors()
      SSL_CTX_free(context)
      throw .setup(reason)
    }
    self.context = context
  }

  deinit { SSL_CTX_free(context) }

  private static func makeCertificate(for key: OpaquePointer) -> OpaquePointer? {
    guard let certificate = X509_new() else { return nil }
    let day = 24 * 60 * 60
    var serial: UInt64 = 0
    let name = X509_get_subject_name(certificate)
    // The subject is the one that browsers use, so that it tells nothing.
    guard
      withUnsafeMutableBytes(
        of: &serial, { RAND_bytes($0.baseAddress!.assumingMemoryBound(to: UInt8.self), Int32($0.count)) }) == 1,
      X509_set_version(certificate, 2) == 1,
      ASN1_INTEGER_set_uint64(X509_get_serialNumber(certificate), serial >> 1) == 1,
      X509_gmtime_adj(X509_getm_notBefore(certificate), -day) != nil,
      X509_gmtime_adj(X509_getm_notAfter(certificate), 365 * day) != nil,
      X509_NAME_add_entry_by_txt(name, "CN", latin1Text, "WebRTC", -1, -1, 0) == 1,
      X509_set_issuer_name(certificate, name) == 1,
      X509_set_pubkey(certificate, key) == 1,
      X509_sign(certificate, key, EVP_sha256()) > 0
    else {
      X509_free(certificate)
      return nil
    }
    return certificate
  }

  private static func configure(_ context: OpaquePointer, key: OpaquePointer, certificate: OpaquePointer) -> Bool {
    // Certificates are judged by their fingerprint alone (RFC 8827 §6.5), after the handshake; here any will do.
    SSL_CTX_set_cert_verify_callback(context, { _, _ in 1 }, nil)
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nil)
    let profiles = SRTPProfile.supported.map(\.openSSLName).joined(separator: ":")
    return COpenSSL_restrict_to_webrtc(context) == 1
      // RFC 8827 §6.5: the first one is what everybody must have; forward secrecy and AEAD for all.
      && SSL_CTX_set_cipher_list(context, ciphers) == 1
      && SSL_CTX_use_certificate(context, certificate) == 1
      && SSL_CTX_use_PrivateKey(context, key) == 1
      && SSL_CTX_set_tlsext_use_srtp(context, profiles) == 0
  }
}

private let ciphers = """
  ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384
  """

/// `MBSTRING_ASC`, a macro of casts: the text is Latin-1.
private let latin1Text: Int32 = 0x1000 | 1
