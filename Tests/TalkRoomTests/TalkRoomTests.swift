// Tests of TalkRoom: not built yet.
