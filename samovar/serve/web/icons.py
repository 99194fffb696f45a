"""Line icons drawn for Samovar, 24 × 24, as inline SVG. They take the colour of the text; they are decoration, hidden from screen readers."""

from __future__ import annotations

_PATHS: dict[str, str] = {
    "samovar": '<path d="M8 9h8c1.500 2.600 1.300 6.100-.9 8.500H8.900C6.700 15.100 6.500 11.600 8 9ZM7.200 9h9.600"/>'
    '<path d="M9.500 9c-.6-2 .6-3.500 2.500-3.500s3.100 1.500 2.500 3.500M12 5.500V4.300M14.600 7.600l2-1.700M9.400 8c-1.600.3-2-1.700-.3-2.200"/>'
    '<path d="M6.900 12H5M5 10.700v2.600M17.100 12H19M19 10.700v2.600M12 12.400v2.800M10.600 12.400h2.800"/><path d="m9.700 17.500-.9 1.700h6.400l-.9-1.700M7.400 21.200h9.200l-1.400-2H8.800Z"/>',
    "chat": '<path d="M4 6.5C4 5.1 5.1 4 6.5 4h11C18.9 4 20 5.1 20 6.5v7c0 1.4-1.1 2.5-2.5 2.5H11l-4.5 4v-4C5.100 16 4 14.900 4 13.500Z"/><path d="M8 8.500h8M8 11.800h5"/>',
    "search": '<circle cx="10.5" cy="10.5" r="6"/><path d="m15 15 5 5"/>',
    "library": '<path d="M5 4v16M9 4v16M5 4h4M5 20h4M12.300 5.200l3.700-1 4 14.800-3.700 1Z"/>',
    "about": '<circle cx="12" cy="12" r="8.500"/><path d="M12 11v5.500M12 7.600v.1"/>',
    "account": '<circle cx="12" cy="8.500" r="3.800"/><path d="M4.500 20c1-4 4-5.800 7.500-5.800s6.500 1.800 7.500 5.800"/>',
    "admin": '<path d="M12 3.500 19 6v5.500c0 4.300-2.900 7.400-7 9-4.100-1.600-7-4.700-7-9V6Z"/><path d="m9 12 2.200 2.200L15.200 10"/>',
    "menu": '<path d="M4 7h16M4 12h16M4 17h16"/>',
    "close": '<path d="m6 6 12 12M18 6 6 18"/>',
    "send": '<path d="M12 19.500V5M6 11l6-6 6 6"/>',
    "stop": '<rect x="7" y="7" width="10" height="10" rx="2"/>',
    "copy": '<rect x="8.500" y="8.500" width="11" height="11" rx="2"/><path d="M15.500 8.500v-2a2 2 0 0 0-2-2h-7a2 2 0 0 0-2 2v7a2 2 0 0 0 2 2h2"/>',
    "again": '<path d="M19 12a7 7 0 1 1-2-4.900"/><path d="M19.500 3.500v4.200h-4.200"/>',
    "edit": '<path d="m5 19 .9-4L15.500 5.400a1.700 1.700 0 0 1 2.400 0l.7.7a1.700 1.700 0 0 1 0 2.400L9 18.100Z"/><path d="m13.500 7.500 3 3"/>',
    "good": '<path d="M8 11v8.500H5V11ZM8 11l3.600-7c1.300 0 2.200 1 2 2.300l-.5 3.200h4.600c1.200 0 2.100 1.100 1.800 2.300l-1.300 5.900c-.2 1.100-1.100 1.800-2.200 1.800H8"/>',
    "bad": '<path d="M16 13V4.500h3V13ZM16 13l-3.600 7c-1.300 0-2.200-1-2-2.300l.5-3.200H6.300c-1.200 0-2.100-1.100-1.800-2.300l1.300-5.900C6 5.200 6.900 4.500 8 4.500h8"/>',
    "clip": '<path d="m19 11.500-7.300 7.300a4.400 4.400 0 0 1-6.200-6.200l7.600-7.600a3 3 0 0 1 4.200 4.200l-7.500 7.500a1.500 1.500 0 0 1-2.100-2.100l6.800-6.800"/>',
    "plus": '<path d="M12 5v14M5 12h14"/>',
    "more": '<path d="M6 12h.1M12 12h.1M18 12h.1"/>',
    "sun": '<circle cx="12" cy="12" r="3.800"/><path d="M12 3v2M12 19v2M3 12h2M19 12h2M5.700 5.700l1.400 1.400M16.900 16.900l1.400 1.400M18.300 5.700l-1.400 1.400M7.100 16.900l-1.400 1.400"/>',
    "moon": '<path d="M19.500 14.500A8 8 0 0 1 9.500 4.500a8 8 0 1 0 10 10Z"/>',
    "auto": '<circle cx="12" cy="12" r="8"/><path d="M12 4v16" /><path d="M12 4a8 8 0 0 1 0 16Z" fill="currentColor"/>',
    "leave": '<path d="M14 4.500H6.500v15H14M11 12h9.500M17 8.500l3.500 3.500-3.500 3.500"/>',
    "unknown": '<path d="M12 20.500c-4.700 0-8.500-3.800-8.500-8.500S7.300 3.500 12 3.500s8.500 3.800 8.500 8.500"/><path d="M9.500 9.800a2.600 2.600 0 1 1 3.700 2.500c-.8.4-1.200.9-1.200 1.700M12 16.900v.1M16 18h5"/>',
    "warning": '<path d="M12 4 21 19.500H3ZM12 10v4.500M12 17.100v.1"/>',
    "down": '<path d="m6 9 6 6 6-6"/>',
    "file": '<path d="M6.500 3.500h7.500l4 4v13H6.500ZM14 3.500v4h4"/>',
    "globe": '<circle cx="12" cy="12" r="8.500"/><path d="M3.500 12h17M12 3.500c2.500 2.600 3.600 5.400 3.600 8.500s-1.100 5.900-3.600 8.500c-2.500-2.600-3.600-5.400-3.600-8.500S9.500 6.100 12 3.500Z"/>',
    "trash": '<path d="M4.500 7h15M9.500 7V4.500h5V7M6.500 7l.8 12.500h9.400L17.500 7M10 10.500v6M14 10.500v6"/>',
    "export": '<path d="M12 4v11M7.500 10.500 12 15l4.500-4.500M5 19.500h14"/>',
    "import": '<path d="M12 15V4M7.500 8.500 12 4l4.500 4.500M5 19.500h14"/>',
    "open": '<path d="M10 5H5.500v13.500H19V14M14 4.500h5.500V10M19 5l-8 8"/>',
    "chart": '<path d="M4.500 6h11M4.500 12h15M4.500 18h7"/>',
}

ICONS = tuple(_PATHS)


def icon(name: str, size: int = 20) -> str:
    """Return an icon as SVG."""
    return (
        f'<svg class="icon" viewBox="0 0 24 24" width="{size}" height="{size}" fill="none" stroke="currentColor" stroke-width="1.6" '
        f'stroke-linecap="round" stroke-linejoin="round" aria-hidden="true" focusable="false">{_PATHS[name]}</svg>'
    )


def favicon() -> str:
    """Return the favicon as an SVG file: the samovar on a copper ground."""
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 24 24"><rect width="24" height="24" rx="6" fill="#9a3f1d"/>'
        '<g transform="translate(2.4 2.4) scale(.8)" fill="none" stroke="#fff7ec" stroke-width="1.8" stroke-linecap="round" '
        f'stroke-linejoin="round">{_PATHS["samovar"]}</g></svg>'
    )
