/// The header of a DTLS record: type, version, epoch and sequence number, length (RFC 6347 §4.1).
private let headerLength = 13
/// The most that a record may hold behind its header: 2^14 bytes of data and what encryption adds.
private let maximumContentLength = 16384 + 2048
/// What AES-GCM, our only kind of cipher, adds to a record: an explicit nonce and a tag (RFC 5288 §3).
private let encryptionOverhead = 8 + 16

/// The length of the first record, with its header; nil when there is none, or it is not well-formed.
///
/// It keeps from OpenSSL what it handles badly: version 3.0 ends a connection because of an encrypted record that is too
/// short, which anybody who knows our address could forge.
func lengthOfFirstRecord(in datagram: Span<UInt8>) -> Int? {
  guard datagram.count >= headerLength else { return nil }
  let contentLength = Int(datagram[11]) << 8 | Int(datagram[12])
  let isEncrypted = datagram[3] != 0 || datagram[4] != 0
  guard
    (20...23).contains(datagram[0]), datagram[1] == 0xFE,
    contentLength <= maximumContentLength, headerLength + contentLength <= datagram.count,
    !isEncrypted || contentLength >= encryptionOverhead
  else { return nil }
  return headerLength + contentLength
}

/// Cuts a run of records into datagrams: as many whole ones as fit into `mtu`, but at least one.
///
/// (A memory BIO does not keep the borders of datagrams. RFC 6347 §4.1.1 allows several records in one.)
func forEachDatagram(of records: Span<UInt8>, mtu: Int, _ body: (Span<UInt8>) -> Void) {
  var start = 0
  var end = 0
  while let length = lengthOfFirstRecord(in: records.extracting(end...)) {
    if end > start, end + length - start > mtu {
      body(records.extracting(start..<end))
      start = end
    }
    end += length
  }
  if end > start { body(records.extracting(start..<end)) }
}
