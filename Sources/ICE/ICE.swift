// ICE: not built yet.
