internal import CCurl

/// Times as HTTP writes them (RFC 9110 §5.6.7).
package enum HTTPDate {
  /// Seconds since 1970; nil for what is no time.
  package static func seconds(_ text: String) -> Int? {
    let time = curl_getdate(text, nil)
    return time < 0 ? nil : time
  }
}
