// PeerConnection: not built yet.
