// Tests of PeerConnection: not built yet.
