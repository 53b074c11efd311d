internal import GLibLoop
internal import PeerConnection
internal import TalkProtocol
internal import TestSupport

extension CallGuest {
  /// What a guest receives of one publisher.
  struct Subscription {
    /// Under which the server knows it; the last offer's.
    var handle: String
    var media: MediaPeer
    var offers: Int
  }

  // MARK: Publishing

  /// Offers sound and a data channel, and speaks in packets full of `mark` from then on.
  /// - Parameter takesAnswer: Off: the answer is not heard, so that the connection never comes about.
  /// - Returns: `answer`, or an error code.
  @discardableResult
  public func publish(mark: UInt8 = 1, takesAnswer: Bool = true) async throws -> String {
    let media = try MediaPeer(sends: true, channel: "status", address: mediaAddress)
    publisherID = "\(UInt64.random(in: 1...(.max)))"
    if takesAnswer {
      publisher = media
      media.speak(mark)
    } else {
      unheard.append(media)
      publisher = nil
    }
    let offer = try await media.peer.offer()
    let (sid, session) = (publisherID, session)
    let start = inbox.count
    let id = send(
      to: session,
      [
        "to": .string(session), "type": "offer", "roomType": "video", "sid": .string(sid),
        "payload": ["type": "offer", "sdp": .string(offer)],
      ])
    media.start { [weak self] candidate in await self?.trickle(candidate, to: session, sid: sid) }
    let answer = try await message("an answer to the offer", since: start) {
      $0["id"].string == id
        || $0["message"]["sender"]["sessionid"].string == session && $0["message"]["data"]["type"] == "answer"
    }
    return answer["error"]["code"].string ?? "answer"
  }

  /// `publish`, and waits until the connection is there.
  public func publishAndConnect(mark: UInt8 = 1) async throws {
    let answer = try await publish(mark: mark)
    guard answer == "answer" else { throw DeadlineExceeded(description: "publishing was answered by \(answer)") }
    try await eventually("a connected publisher") { publisher?.isConnected ?? false }
  }

  /// Says something over the data channel.
  public func say(_ text: String) async throws {
    try await eventually("a data channel") { publisher?.hasChannel("status") ?? false }
    try await publisher?.peer.send(text)
  }

  public var publisherIsConnected: Bool { publisher?.isConnected ?? false }
  public var publisherHasEnded: Bool { publisher?.hasEnded ?? true }

  // MARK: Subscribing

  /// Asks for a publisher's offer.
  /// - Returns: `offer`, an error code, or `silence` when nothing came within `limit`.
  public func ask(
    for publisher: String, roomType: String = "video", sid: String? = nil, within limit: Duration = .seconds(20)
  ) async throws -> String {
    var data: [String: JSONValue] = ["type": "requestoffer", "roomType": .string(roomType)]
    data["sid"] = sid.map { .string($0) }
    let start = inbox.count
    let id = send(to: publisher, data)
    let answer = try? await message("an offer", since: start, within: limit) {
      $0["id"].string == id
        || $0["message"]["sender"]["sessionid"].string == publisher && $0["message"]["data"]["type"] == "offer"
    }
    guard let answer else { return "silence" }
    return answer["error"]["code"].string ?? "offer"
  }

  /// Waits for sound.
  /// - Returns: `heard`; throws when nothing comes.
  @discardableResult
  public func hear(_ publisher: String, packets: Int = 10) async throws -> String {
    let before = packetsHeard(of: publisher)
    do { try await eventually("sound") { packetsHeard(of: publisher) >= before + packets } } catch {
      throw DeadlineExceeded(description: "\(error): \(story(of: publisher))")
    }
    return "heard"
  }

  /// `hear`, for whoever has asked for a publisher whose connection it still had. About once in ten times the signaling
  /// server 1.2.4 takes the end of that connection in Janus for the end of the new one, forgets both and refuses our
  /// answer; who asks once more is served.
  public func hearAtLast(_ publisher: String) async throws -> String {
    var refused: Set<String> = []
    do {
      try await eventually("sound") {
        if packetsHeard(of: publisher) >= 10 { return true }
        let answer = answerID
        let isRefused = inbox.contains { $0["id"].string == answer && $0["error"]["code"] == "client_not_found" }
        if isRefused, refused.insert(answer).inserted { _ = try await ask(for: publisher) }
        return false
      }
    } catch { throw DeadlineExceeded(description: "\(error): \(story(of: publisher))") }
    return "heard"
  }

  /// How a subscription stands, for the message of a failing test.
  private func story(of publisher: String) -> String {
    guard let subscription = subscriptions[publisher] else { return "there is no subscription" }
    let media = subscription.media
    let errors = inbox.filter { $0["type"] == "error" }.compactMap { $0["error"]["code"].string }
    return """
      handle \(subscription.handle), offer \(subscription.offers), \(media.isConnected ? "" : "not ")connected, \
      \(media.hasEnded ? "" : "not ")ended, \(media.heard.packets) packets; errors: \(errors)
      """
  }

  public func packetsHeard(of publisher: String) -> Int { subscriptions[publisher]?.media.heard.packets ?? 0 }
  /// What packets of a publisher were full of.
  public func marks(of publisher: String) -> Set<UInt8> { subscriptions[publisher]?.media.heard.marks ?? [] }
  /// The audio levels that came with a publisher's packets.
  public func levels(of publisher: String) -> Set<UInt8> { subscriptions[publisher]?.media.heard.levels ?? [] }
  /// The sources, and the gaps in the numbers, of a publisher's packets.
  public func continuity(of publisher: String) -> (sources: Int, breaks: Int) {
    (subscriptions[publisher]?.media.heard.sources ?? 0, subscriptions[publisher]?.media.heard.breaks ?? 0)
  }
  /// The texts that came from a publisher, as `label: text`.
  public func texts(of publisher: String) -> [String] {
    subscriptions[publisher]?.media.texts.map { "\($0.label): \($0.text)" } ?? []
  }
  /// Under which the server knows the subscription to a publisher.
  public func handle(of publisher: String) -> String { subscriptions[publisher]?.handle ?? "" }
  public func subscriptionIsConnected(to publisher: String) -> Bool {
    subscriptions[publisher]?.media.isConnected ?? false
  }
  public func subscriptionHasEnded(of publisher: String) -> Bool { subscriptions[publisher]?.media.hasEnded ?? true }
  public func hasChannel(_ label: String, from publisher: String) -> Bool {
    subscriptions[publisher]?.media.hasChannel(label) ?? false
  }

  // MARK: What comes over the socket

  func receivedMedia(_ message: JSONValue) {
    guard let sender = message["sender"]["sessionid"].string else { return }
    let data = message["data"]
    switch data["type"].string {
    case "answer" where sender == session:
      guard let sdp = data["payload"]["sdp"].string else { return }
      publisher?.peer.assumeIsolated { try? $0.accept(answer: sdp) }
    case "candidate":
      guard let line = data["payload"]["candidate"]["candidate"].string else { return }
      let peer = sender == session ? publisher?.peer : subscriptions[sender]?.media.peer
      peer?.assumeIsolated { $0.addRemoteCandidate(line) }
    case "offer":
      guard let sdp = data["payload"]["sdp"].string, let handle = data["sid"].string, answersOffers else { return }
      answer(sdp, handle: handle, of: sender)
    default: break
    }
  }

  private func answer(_ offer: String, handle: String, of publisher: String) {
    let known = subscriptions[publisher]
    let isUpdate = known?.handle == handle
    do {
      let media: MediaPeer
      if isUpdate, let known {
        media = known.media
      } else {
        if let known { unheard.append(known.media) }
        media = try MediaPeer(sends: false, channel: opensChannels ? "status" : nil, address: mediaAddress)
      }
      subscriptions[publisher] = Subscription(handle: handle, media: media, offers: (known?.offers ?? 0) + 1)
      let answer = try media.peer.assumeIsolated { try $0.answer(to: offer) }
      var data: [String: JSONValue] = [
        "to": .string(publisher), "type": "answer", "roomType": "video",
        "payload": ["type": "answer", "sdp": .string(answer)],
      ]
      data["sid"] = answerSID(handle).map { .string($0) }
      answerID = send(to: publisher, data)
      guard !isUpdate else { return }
      media.start { [weak self] candidate in await self?.trickle(candidate, to: publisher, sid: handle) }
    } catch {
      subscriptions[publisher] = nil
    }
  }

  private func trickle(_ candidate: TrickledCandidate, to session: String, sid: String) {
    send(
      to: session,
      [
        "to": .string(session), "type": "candidate", "roomType": "video", "sid": .string(sid),
        "payload": [
          "candidate": [
            "candidate": .string(candidate.line), "sdpMid": .string(candidate.mid),
            "sdpMLineIndex": .number(Double(candidate.index)),
          ]
        ],
      ])
  }

  /// Ends all connections.
  func endMedia() async {
    let all = unheard + [publisher].compactMap { $0 } + subscriptions.values.map(\.media)
    (unheard, publisher, subscriptions) = ([], nil, [:])
    for media in all { await media.close() }
  }
}
