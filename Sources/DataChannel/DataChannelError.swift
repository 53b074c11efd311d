/// Why a data channel could not be opened or used.
public enum DataChannelError: Error, Sendable, Equatable, CustomStringConvertible {
  /// usrsctp refused a call, with its errno.
  case setup(Int32)
  /// The association has ended.
  case closed
  /// No such channel is open or being opened.
  case unknownChannel(UInt16)
  /// All numbers for channels are used up.
  case tooManyChannels
  /// A label or protocol is too long.
  case nameTooLong(Int)
  /// The peer does not take messages of this length.
  case messageTooLong(Int)
  /// More waits to be sent than is kept; the peer or the network is slow.
  case backlogFull

  public var description: String {
    switch self {
    case .setup(let code):
      "The data channel could not be set up (SCTP error \(code)). The call works without it, but states such as mute or speaking are not shared over it."
    case .closed:
      "The data channel's association has ended."
    case .unknownChannel(let id):
      "There is no data channel \(id)."
    case .tooManyChannels:
      "All \(SCTPAssociation.maximumStreams / 2) data channels of this side have been opened."
    case .nameTooLong(let count):
      "A data channel's name of \(count) bytes is too long (at most \(ChannelControl.maximumNameLength))."
    case .messageTooLong(let count):
      "A message of \(count) bytes is longer than the peer takes."
    case .backlogFull:
      "The data channel is congested: more than \(SCTPAssociation.maximumBacklog) bytes wait to be sent."
    }
  }
}
