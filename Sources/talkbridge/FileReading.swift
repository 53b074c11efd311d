import SystemPackage

extension FileDescriptor {
  /// What comes until the end of the file or pipe, and no more than so many bytes.
  func readAll(atMost limit: Int) throws -> [UInt8] {
    var content: [UInt8] = []
    while content.count < limit {
      let piece = try [UInt8](unsafeUninitializedCapacity: min(limit - content.count, 65_536)) { bytes, filled in
        filled = try read(into: UnsafeMutableRawBufferPointer(bytes))
      }
      guard !piece.isEmpty else { break }
      content += piece
    }
    return content
  }
}
