public import WebTransport

/// Runs `body` with a server that is stopped afterwards.
public func withServer(
  certificate: WebServer.Certificate? = nil, maximumBodySize: Int = 1 << 20, handler: @escaping WebServer.Handler,
  _ body: (_ port: Int) async throws -> Void
) async throws {
  let server = WebServer(certificate: certificate, maximumBodySize: maximumBodySize, handler: handler)
  let port = try await server.listen()
  do {
    try await body(port)
  } catch {
    await server.stop()
    throw error
  }
  await server.stop()
}
