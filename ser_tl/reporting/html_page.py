"""An HTML page that needs nothing beside it: no script, and nothing is fetched."""

from html import escape


def build_page(title: str, style: str, body: str) -> str:
    """The page.

    Args:
        title: as text
        style: CSS
        body: HTML
    """
    return (
        f'<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">\n<title>{escape(title)}</title>\n'
        f'<link rel="icon" href="data:,">\n<style>{style}</style>\n</head>\n<body>\n{body}\n</body>\n</html>\n'
    )
