"""The web study: collects reactions in the browser, in the layout that `fergi annotate` reads.

Needs the extra 'studio'. What browser and server say to each other is in `messages` and in
`docs/studio-protocol.md`.
"""
