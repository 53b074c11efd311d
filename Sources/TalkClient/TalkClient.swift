// TalkClient: not built yet.
