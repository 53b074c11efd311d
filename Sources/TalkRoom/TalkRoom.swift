// TalkRoom: not built yet.
