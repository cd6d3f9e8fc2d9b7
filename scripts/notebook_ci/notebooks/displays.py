"""The types of outputs that a page can show without scripts."""

SVG = "image/svg+xml"
IMAGES = (SVG, "image/png", "image/jpeg", "image/gif", "image/webp")
SHOWN = ("text/html", "text/markdown", *IMAGES, "text/latex", "text/plain")  # best first
