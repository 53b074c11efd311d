// What a message says, in words, for people.

extension ChatMessage {
  /// The author's name.
  public var author: String { Self.author(actorDisplayName, type: actorType, id: actorId) }

  /// The text, with the names of what its placeholders stand for. Not yet fit for a terminal: see `neutralized`.
  public var text: String {
    guard isSystem else { return Self.spoken(message, messageParameters ?? [:], type: messageType) }
    switch systemMessage {
    case "reaction":
      return "\(author) reacted with \(message ?? "") to \(Self.numbered(parent))\(Self.quoted(parent))"
    case "message_edited":
      return "\(author) edited \(Self.numbered(parent)): \(parent?.text ?? "")"
    case "message_deleted":
      return "\(author) deleted \(Self.numbered(parent))"
    case "reaction_deleted", "reaction_revoked":
      return "\(author) took back a reaction to \(Self.numbered(parent))\(Self.quoted(parent))"
    default:
      let words = Self.filled(message ?? "", messageParameters ?? [:])
      guard words.isEmpty else { return words }
      // A server that says nothing in words has at least a name for it.
      let kind = (systemMessage ?? "").replacing("_", with: " ")
      return actorType == nil ? kind : "\(author): \(kind)"
    }
  }

  private static func numbered(_ parent: ChatParent?) -> String { parent?.id.map { "message \($0)" } ?? "a message" }

  private static func quoted(_ parent: ChatParent?) -> String {
    guard let parent, !parent.isDeleted, !parent.text.isEmpty else { return "" }
    return " (\(shortened(parent.text, to: 40)))"
  }

  fileprivate static func shortened(_ text: String, to length: Int) -> String {
    let line = text.neutralizedLine
    return line.count > length ? line.prefix(length - 1) + "…" : line
  }

  /// What a person wrote: the text, what kind of recording it is, and what is attached without being in the text.
  static func spoken(_ message: String?, _ parameters: [String: JSONValue], type: String?) -> String {
    let message = message ?? ""
    var text = filled(message, parameters)
    switch type {
    case "voice-message": text = "voice message: " + text
    case "record-audio": text = "audio recording: " + text
    case "record-video": text = "video recording: " + text
    default: break
    }
    // A file with a caption: the text is the caption.
    for key in ["file", "object"] where !message.contains("{\(key)}") {
      if let attachment = parameters[key] { text += " [\(words(for: attachment, key: key))]" }
    }
    return text
  }

  static func author(_ name: String?, type: String?, id: String?) -> String {
    if let name, !name.isEmpty { return name }
    switch type {
    case "guests", "emails": return "Guest"
    case "deleted_users": return "Deleted user"
    default: return id.flatMap { $0.isEmpty ? nil : $0 } ?? "Somebody"
    }
  }

  /// Replaces each `{key}` that has a parameter, in one pass: what a name contains is not looked into again.
  static func filled(_ message: String, _ parameters: [String: JSONValue]) -> String {
    guard !parameters.isEmpty else { return message }
    var result = ""
    var rest = message[...]
    while let open = rest.firstIndex(of: "{") {
      result += rest[..<open]
      rest = rest[open...]
      guard let close = rest.firstIndex(of: "}"),
        case let key = String(rest[rest.index(after: open)..<close]), let parameter = parameters[key]
      else {
        result.append(rest.removeFirst())
        continue
      }
      result += words(for: parameter, key: key)
      rest = rest[rest.index(after: close)...]
    }
    return result + rest
  }

  /// What a person would say of a rich object (`type`, `id`, `name`, …; Nextcloud's rich object strings).
  private static func words(for parameter: JSONValue, key: String) -> String {
    func member(_ key: String) -> String? { parameter[key].string.flatMap { $0.isEmpty ? nil : $0 } }
    let name = member("name") ?? member("id") ?? key
    if key.hasPrefix("mention-") { return member("type") == "call" ? "@all" : "@" + name }
    let words: String
    switch member("type") {
    // Of those people know more than an address.
    case "user", "guest", "call", "user-group", "highlight": return name
    case "email": return member("id").map { $0 == name ? name : "\(name) <\($0)>" } ?? name
    case "file": words = member("contact-name").map { "contact \($0)" } ?? name
    case "geo-location":
      words = member("latitude").flatMap { north in member("longitude").map { "\(name) (\(north), \($0))" } } ?? name
    case "talk-poll": words = "poll: " + name
    case "deck-card":
      let place = [member("boardname"), member("stackname")].compactMap(\.self).joined(separator: ", ")
      words = place.isEmpty ? "card: \(name)" : "card: \(name) (\(place))"
    case "deck-board": words = "board: " + name
    case "forms-form": words = "form: " + name
    case "calendar-event": words = "event: " + name
    default: words = name
    }
    return member("link").map { "\(words) (\($0))" } ?? words
  }
}

extension ChatParent {
  /// The author's name.
  public var author: String { ChatMessage.author(actorDisplayName, type: actorType, id: actorId) }

  /// As `ChatMessage.text`.
  public var text: String { ChatMessage.spoken(message, messageParameters ?? [:], type: messageType) }
}

// MARK: - For a terminal

extension ChatMessage {
  /// How much of an answered message is quoted, in characters.
  private static let longestQuote = 80

  /// The message as lines for a terminal, without a line break at the end: nothing in it can move the cursor, and no text of
  /// others can look like a line of its own.
  /// - Parameter time: How to write the time, given in seconds since 1970.
  public func lines(time: (Int) -> String) -> String { lines(after: "\(time(timestamp ?? 0)) #\(id ?? 0) ") }

  /// As `lines(time:)`, with `head` in place of time and id.
  public func lines(after head: String) -> String {
    if isSystem { return head + "* " + text.neutralized(indent: "    ") }
    if isDeleted {
      let words = text.neutralized(indent: "    ")
      return head + "* " + (words.isEmpty ? "Message deleted" : words) + " (\(author.neutralizedLine))"
    }
    var remarks = ""
    if isEdited {
      let editor = lastEditActorDisplayName ?? ""
      remarks += editor.isEmpty || editor == actorDisplayName ? " (edited)" : " (edited by \(editor.neutralizedLine))"
    }
    if silent == true { remarks += " (silent)" }
    for (emoji, count) in (reactions ?? [:]).sorted(by: { $0.key < $1.key }) {
      remarks += " [\(emoji.neutralizedLine) \(count)]"
    }
    let quote = parent.map { "\n    > " + Self.quote($0) + "\n    " } ?? ""
    return head + author.neutralizedLine + ": " + quote + text.neutralized(indent: "    ") + remarks
  }

  private static func quote(_ parent: ChatParent) -> String {
    if parent.isDeleted { return "(deleted message)" }
    return "\(parent.author.neutralizedLine): \(shortened(parent.text, to: longestQuote))"
  }
}

extension String {
  /// The text without what would command a terminal or turn the writing direction; lines after the first are indented.
  public func neutralized(indent: String) -> String {
    neutralized { $0 == "\n" ? "\n" + indent : "\u{FFFD}" }
  }

  /// The text in one line.
  public var neutralizedLine: String { neutralized { $0 == "\n" ? " " : "\u{FFFD}" } }

  private func neutralized(_ replace: (Unicode.Scalar) -> String) -> String {
    var result = ""
    var previous: Unicode.Scalar?
    for scalar in unicodeScalars {
      defer { previous = scalar }
      switch scalar {
      case "\n" where previous == "\r": break
      case "\n", "\r", "\u{85}", "\u{2028}", "\u{2029}": result += replace("\n")
      case "\t": result += "    "
      // They join emoji and letters.
      case "\u{200C}", "\u{200D}": result.unicodeScalars.append(scalar)
      default:
        switch scalar.properties.generalCategory {
        case .control, .surrogate: result += replace(scalar)
        // Flags of regions are spelt with tags; a tag alone is invisible and harmless.
        case .format where (0xE0020...0xE007F).contains(scalar.value): result.unicodeScalars.append(scalar)
        case .format: result += replace(scalar)
        default: result.unicodeScalars.append(scalar)
        }
      }
    }
    return result
  }
}
