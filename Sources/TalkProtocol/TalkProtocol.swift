// TalkProtocol: not built yet.
