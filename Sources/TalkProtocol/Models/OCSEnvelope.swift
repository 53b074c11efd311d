/// What Nextcloud wraps around each answer of its API: `{"ocs":{"meta":{…},"data":…}}`.
///
/// Decide on the HTTP status; `meta.statuscode` may differ (996 to 999).
public struct OCSEnvelope<Payload: Codable & Hashable & Sendable>: Codable, Hashable, Sendable {
  public var meta: OCSMeta
  /// `nil` when it is null, missing, or of another shape.
  public var data: Payload?

  public init(meta: OCSMeta, data: Payload?) {
    self.meta = meta
    self.data = data
  }

  /// Understands a whole answer.
  public init(body: [UInt8]) throws {
    self = try JSONCoding.decode(Self.self, from: body)
  }

  public init(from decoder: any Decoder) throws {
    let ocs = try decoder.container(keyedBy: AnyKey.self).nestedContainer(keyedBy: AnyKey.self, forKey: "ocs")
    meta = ocs.tolerant(OCSMeta.self, forKey: "meta") ?? OCSMeta()
    data = ocs.tolerant(Payload.self, forKey: "data")
  }

  public func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: AnyKey.self)
    var ocs = container.nestedContainer(keyedBy: AnyKey.self, forKey: "ocs")
    try ocs.encode(meta, forKey: "meta")
    try ocs.encode(data, forKey: "data")
  }
}

/// The status part of an OCS answer.
public struct OCSMeta: Codable, Hashable, Sendable {
  @Tolerant public var status: String?
  @Tolerant public var statuscode: Int?
  @Tolerant public var message: String?

  public init(status: String? = nil, statuscode: Int? = nil, message: String? = nil) {
    self.status = status
    self.statuscode = statuscode
    self.message = message
  }
}

/// The data of a refused request: `{"error":"password"}`, or nothing.
public struct TalkErrorBody: Codable, Hashable, Sendable {
  @Tolerant public var error: String?

  public init(error: String? = nil) { self.error = error }
}
