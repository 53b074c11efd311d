import SystemPackage

extension FileDescriptor {
  /// What comes until the end of the file or pipe, and no more than so many bytes.
  func readAll(atMost limit: Int) throws(Errno) -> [UInt8] {
    var content: [UInt8] = []
    while content.count < limit {
      let piece = try piece(atMost: min(limit - content.count, 65_536))
      guard !piece.isEmpty else { break }
      content += piece
    }
    return content
  }

  private func piece(atMost count: Int) throws(Errno) -> [UInt8] {
    do {
      return try [UInt8](unsafeUninitializedCapacity: count) { bytes, filled in
        filled = try read(into: UnsafeMutableRawBufferPointer(bytes))
      }
    } catch {
      throw error as? Errno ?? .ioError
    }
  }
}
