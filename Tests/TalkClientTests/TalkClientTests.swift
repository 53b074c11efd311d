// Tests of TalkClient: not built yet.
