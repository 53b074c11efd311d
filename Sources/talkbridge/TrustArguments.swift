import ArgumentParser
import Glibc

/// Whose certificates are trusted.
struct TrustArguments: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "Trust the certificate authorities in this PEM file too. Default: the system's only.", valueName: "file"))
  var caFile: String?

  func validate() throws {
    if let caFile, access(caFile, R_OK) != 0 {
      throw ValidationError("cannot read the certificates in \(caFile): \(String(cString: strerror(errno)))")
    }
  }
}
