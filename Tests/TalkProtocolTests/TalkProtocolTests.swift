// Tests of TalkProtocol: not built yet.
