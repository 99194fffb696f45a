"""Builds healthy documents of every format by hand, byte by byte where no library is wanted, for the tests of extraction.

Every maker returns bytes. Nothing here is copied from real documents; the texts are the project's own.
"""

from __future__ import annotations

import hashlib
import io
import lzma
import struct
import zipfile
import zlib
from xml.sax.saxutils import escape


def make_zip(members: dict[str, bytes], *, compress: int = zipfile.ZIP_DEFLATED) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", compress) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return target.getvalue()


# --- office documents ---------------------------------------------------------------------------------------------------

W = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'


def docx_paragraph(text: str) -> str:
    return f'<w:p><w:r><w:t xml:space="preserve">{escape(text)}</w:t></w:r></w:p>'


def make_docx(body: str, *, title: str = "", author: str = "", created: str = "", notes: str = "") -> bytes:
    """`body` and `notes` are WordprocessingML."""
    members = {
        "[Content_Types].xml": b'<?xml version="1.0"?><Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"/>',
        "word/document.xml": f'<?xml version="1.0"?><w:document {W}><w:body>{body}<w:sectPr/></w:body></w:document>'.encode(),
        "docProps/core.xml": (
            '<?xml version="1.0"?><cp:coreProperties xmlns:cp="http://schemas.openxmlformats.org/package/2006/metadata/core-properties"'
            ' xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:dcterms="http://purl.org/dc/terms/">'
            f"<dc:title>{escape(title)}</dc:title><dc:creator>{escape(author)}</dc:creator>"
            f"<dcterms:created>{created}</dcterms:created></cp:coreProperties>"
        ).encode(),
    }
    if notes:
        members["word/footnotes.xml"] = f'<?xml version="1.0"?><w:footnotes {W}>{notes}</w:footnotes>'.encode()
    return make_zip(members)


ODF = (
    'xmlns:office="urn:oasis:names:tc:opendocument:xmlns:office:1.0" xmlns:text="urn:oasis:names:tc:opendocument:xmlns:text:1.0"'
    ' xmlns:table="urn:oasis:names:tc:opendocument:xmlns:table:1.0" xmlns:dc="http://purl.org/dc/elements/1.1/"'
    ' xmlns:meta="urn:oasis:names:tc:opendocument:xmlns:meta:1.0"'
)


def make_odt(body: str, *, title: str = "", author: str = "", created: str = "", manifest: str = "") -> bytes:
    members = {
        "mimetype": b"application/vnd.oasis.opendocument.text",
        "content.xml": (
            f'<?xml version="1.0"?><office:document-content {ODF}><office:body><office:text>{body}</office:text></office:body>'
            "</office:document-content>"
        ).encode(),
        "meta.xml": (
            f'<?xml version="1.0"?><office:document-meta {ODF}><office:meta><dc:title>{escape(title)}</dc:title>'
            f"<meta:initial-creator>{escape(author)}</meta:initial-creator><meta:creation-date>{created}</meta:creation-date>"
            "</office:meta></office:document-meta>"
        ).encode(),
        "META-INF/manifest.xml": f"<manifest>{manifest}</manifest>".encode(),
    }
    return make_zip(members)


def make_epub(
    pages: dict[str, str], *, meta: str = "", extra: dict[str, bytes] | None = None, order: list[str] | None = None
) -> bytes:
    """`pages` maps file names to XHTML bodies; `meta` is Dublin Core XML."""
    items = "".join(
        f'<item id="i{n}" href="{name}" media-type="application/xhtml+xml"/>' for n, name in enumerate(pages)
    )
    index = {name: n for n, name in enumerate(pages)}
    spine = "".join(f'<itemref idref="i{index[name]}"/>' for name in (order or list(pages)))
    opf = (
        '<?xml version="1.0"?><package xmlns="http://www.idpf.org/2007/opf"><metadata xmlns:dc="http://purl.org/dc/elements/1.1/"'
        f' xmlns:opf="http://www.idpf.org/2007/opf">{meta}</metadata><manifest>{items}</manifest><spine>{spine}</spine></package>'
    )
    container = (
        '<?xml version="1.0"?><container xmlns="urn:oasis:names:tc:opendocument:xmlns:container"><rootfiles>'
        '<rootfile full-path="OEBPS/book.opf" media-type="application/oebps-package+xml"/></rootfiles></container>'
    )
    members = {
        "mimetype": b"application/epub+zip",
        "META-INF/container.xml": container.encode(),
        "OEBPS/book.opf": opf.encode(),
    }
    for name, body in pages.items():
        page = f'<html xmlns="http://www.w3.org/1999/xhtml"><head><title>x</title></head><body>{body}</body></html>'
        members[f"OEBPS/{name}"] = page.encode()
    return make_zip(members | (extra or {}))


def make_fb2(
    body: str, *, title_info: str = "", publish_info: str = "", encoding: str = "utf-8", notes: str = ""
) -> bytes:
    notes_body = f'<body name="notes">{notes}</body>' if notes else ""
    return (
        f'<?xml version="1.0" encoding="{encoding}"?><FictionBook xmlns="http://www.gribuser.ru/xml/fictionbook/2.0"><description>'
        f"<title-info>{title_info}</title-info><publish-info>{publish_info}</publish-info></description><body>{body}</body>"
        f'{notes_body}<binary id="cover.jpg">AAAA</binary></FictionBook>'
    ).encode(encoding)


def make_rtf(paragraphs: list[str], *, title: str = "", author: str = "", page: int = 1251) -> bytes:
    """Characters of the code page as \\'hh, all others as \\uN?."""

    def encode(text: str) -> str:
        pieces = []
        for character in text:
            try:
                byte = character.encode(f"cp{page}")[0]
                pieces.append(character if byte < 128 and character not in "\\{}" else f"\\'{byte:02x}")
            except UnicodeEncodeError:
                pieces.append(f"\\u{ord(character)}?")
        return "".join(pieces)

    info = f"{{\\info{{\\title {encode(title)}}}{{\\author {encode(author)}}}{{\\creatim\\yr2019\\mo5\\dy7}}}}"
    body = "\\par\n".join(encode(paragraph) for paragraph in paragraphs)
    return (
        f"{{\\rtf1\\ansi\\ansicpg{page}\\deff0{{\\fonttbl{{\\f0\\fcharset204 Serif;}}}}{info}\\f0 {body}\\par}}".encode(
            "ascii"
        )
    )


# --- PDF ----------------------------------------------------------------------------------------------------------------


class PdfWriter:
    """Numbered objects, a cross-reference table, optionally the standard RC4 encryption (revision 2, 40 bits)."""

    def __init__(self, password: str | None = None) -> None:
        self.objects: list[bytes] = []
        self.key: bytes | None = None
        self.id = b"0123456789abcdef"
        self.encrypt = b""
        if password is not None:
            self._set_password(password.encode("latin-1"))

    def _set_password(self, password: bytes) -> None:
        pad = bytes.fromhex("28BF4E5E4E758A4164004E56FFFA01082E2E00B6D0683E802F0CA9FE6453697A")
        padded = (password + pad)[:32]
        owner = rc4(hashlib.md5(padded).digest()[:5], padded)
        permissions = struct.pack("<i", -4)
        self.key = hashlib.md5(padded + owner + permissions + self.id).digest()[:5]
        user = rc4(self.key, pad)
        self.encrypt = b"<</Filter/Standard/V 1/R 2/O<%s>/U<%s>/P -4>>" % (owner.hex().encode(), user.hex().encode())

    def add(self, body: bytes, stream: bytes | None = None) -> int:
        """Add an object and return its number."""
        number = len(self.objects) + 1
        if stream is not None:
            if self.key:
                stream = rc4(hashlib.md5(self.key + struct.pack("<I", number)[:3] + b"\0\0").digest()[:10], stream)
            body = b"<<%s/Length %d>>\nstream\n%s\nendstream" % (body, len(stream), stream)
        self.objects.append(body)
        return number

    def finish(self, root: int, info: int = 0) -> bytes:
        out = bytearray(b"%PDF-1.5\n%\xe2\xe3\xcf\xd3\n")
        offsets = []
        if self.encrypt:
            self.objects.append(self.encrypt)
        for number, body in enumerate(self.objects, 1):
            offsets.append(len(out))
            out += b"%d 0 obj\n%s\nendobj\n" % (number, body)
        start = len(out)
        out += b"xref\n0 %d\n0000000000 65535 f \n" % (len(offsets) + 1)
        out += b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
        extra = b"/Info %d 0 R" % info if info else b""
        if self.encrypt:
            extra += b"/Encrypt %d 0 R/ID[<%s><%s>]" % (
                len(self.objects),
                self.id.hex().encode(),
                self.id.hex().encode(),
            )
        out += b"trailer\n<</Size %d/Root %d 0 R%s>>\nstartxref\n%d\n%%%%EOF\n" % (len(offsets) + 1, root, extra, start)
        return bytes(out)


def rc4(key: bytes, data: bytes) -> bytes:
    state = list(range(256))
    j = 0
    for i in range(256):
        j = (j + state[i] + key[i % len(key)]) % 256
        state[i], state[j] = state[j], state[i]
    out = bytearray()
    i = j = 0
    for byte in data:
        i = (i + 1) % 256
        j = (j + state[i]) % 256
        state[i], state[j] = state[j], state[i]
        out.append(byte ^ state[(state[i] + state[j]) % 256])
    return bytes(out)


def make_pdf(
    pages: list[list[str]],
    *,
    title: str = "",
    shown: dict[str, str] | None = None,
    codec: str = "",
    password: str | None = None,
    to_unicode: bool = True,
) -> bytes:
    """A PDF of text lines. With a `ToUnicode` table by default; `shown` distorts that table (character → what it claims to be);
    `codec` writes a simple font with the bytes of that encoding and no table, as old Cyrillic PDFs do."""
    pdf = PdfWriter(password)
    alphabet = sorted({character for page in pages for line in page for character in line})
    codes = {character: number for number, character in enumerate(alphabet, 1)}
    font = _simple_font(pdf) if codec else _unicode_font(pdf, codes, shown or {}, to_unicode)
    parent = len(pdf.objects) + 2 * len(pages) + 1
    kids = []
    for page in pages:
        lines = []
        for number, line in enumerate(page):
            data = line.encode(codec) if codec else b"".join(struct.pack(">H", codes[character]) for character in line)
            lines.append(b"1 0 0 1 60 %d Tm <%s> Tj" % (780 - 14 * number, data.hex().encode()))
        content = pdf.add(b"", b"BT /F1 11 Tf\n" + b"\n".join(lines) + b"\nET")
        kids.append(
            pdf.add(
                b"<</Type/Page/Parent %d 0 R/MediaBox[0 0 595 842]/Contents %d 0 R/Resources<</Font<</F1 %d 0 R>>>>>>"
                % (parent, content, font)
            )
        )
    pdf.add(b"<</Type/Pages/Count %d/Kids[%s]>>" % (len(kids), b" ".join(b"%d 0 R" % kid for kid in kids)))
    root = pdf.add(b"<</Type/Catalog/Pages %d 0 R>>" % parent)
    info = 0
    if title:
        info = pdf.add(
            b"<</Title<%s>/CreationDate(D:20210405120000Z)>>" % ("\ufeff" + title).encode("utf-16-be").hex().encode()
        )
    return pdf.finish(root, info)


def _simple_font(pdf: PdfWriter) -> int:
    return pdf.add(b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica/Encoding/WinAnsiEncoding>>")


def _unicode_font(pdf: PdfWriter, codes: dict[str, int], shown: dict[str, str], to_unicode: bool) -> int:
    rows = [
        f"<{code:04x}> <{shown.get(character, character).encode('utf-16-be').hex()}>"
        for character, code in codes.items()
    ]
    blocks = [rows[start : start + 100] for start in range(0, len(rows), 100)]
    table = "".join(f"{len(block)} beginbfchar\n" + "\n".join(block) + "\nendbfchar\n" for block in blocks)
    cmap = (
        "/CIDInit /ProcSet findresource begin 12 dict begin begincmap /CMapName /A def /CMapType 2 def\n"
        f"1 begincodespacerange <0000> <ffff> endcodespacerange\n{table}endcmap end end"
    ).encode("ascii")
    table_number = pdf.add(b"/Filter/FlateDecode", zlib.compress(cmap))
    descriptor = pdf.add(
        b"<</Type/FontDescriptor/FontName/Sans/Flags 4/FontBBox[0 -200 1000 800]/ItalicAngle 0/Ascent 800/Descent -200"
        b"/CapHeight 700/StemV 80>>"
    )
    child = pdf.add(
        b"<</Type/Font/Subtype/CIDFontType2/BaseFont/Sans/CIDSystemInfo<</Registry(Adobe)/Ordering(Identity)/Supplement 0>>"
        b"/FontDescriptor %d 0 R/DW 500>>" % descriptor
    )
    link = b"/ToUnicode %d 0 R" % table_number if to_unicode else b""
    return pdf.add(
        b"<</Type/Font/Subtype/Type0/BaseFont/Sans/Encoding/Identity-H/DescendantFonts[%d 0 R]%s>>" % (child, link)
    )


# --- ZIM ----------------------------------------------------------------------------------------------------------------


def make_zim(
    pages: dict[str, tuple[str, str]],
    *,
    metadata: dict[str, str] | None = None,
    method: str = "zstd",
    redirects: dict[str, str] | None = None,
    per_cluster: int = 2,
    wide: bool = False,
) -> bytes:
    """`pages` maps paths to (title, HTML); clusters hold `per_cluster` blobs, packed with zstd, xz or not at all."""
    mimes = ["text/html", "text/plain", "image/png"]
    contents: list[tuple[str, str, str, int, bytes]] = [
        ("C", path, title, 0, html.encode()) for path, (title, html) in pages.items()
    ]
    contents += [("M", name, name, 1, value.encode()) for name, value in (metadata or {}).items()]
    contents.append(("C", "i.png", "", 2, b"\x89PNG"))
    clusters: list[list[bytes]] = []
    places: dict[tuple[str, str], tuple[int, int]] = {}
    for start in range(0, len(contents), per_cluster):
        group = contents[start : start + per_cluster]
        for number, item in enumerate(group):
            places[item[0], item[1]] = (len(clusters), number)
        clusters.append([item[4] for item in group])
    entries = sorted(
        [(namespace, path, title, mime) for namespace, path, title, mime, _ in contents]
        + [("C", path, path, 0xFFFF) for path in (redirects or {})]
    )
    numbers = {(entry[0], entry[1]): number for number, entry in enumerate(entries)}
    dirents = []
    for namespace, path, title, mime in entries:
        tail = path.encode() + b"\0" + title.encode() + b"\0"
        if mime == 0xFFFF:
            head = struct.pack("<HBcII", mime, 0, namespace.encode(), 0, numbers["C", (redirects or {})[path]])
        else:
            head = struct.pack("<HBcIII", mime, 0, namespace.encode(), 0, *places[namespace, path])
        dirents.append(head + tail)
    packed = [_pack_cluster(blobs, method, wide) for blobs in clusters]
    mime_list = b"".join(mime.encode() + b"\0" for mime in mimes) + b"\0"
    position = 80 + len(mime_list)
    paths_at = position
    clusters_at = paths_at + 8 * len(entries)
    position = clusters_at + 8 * len(packed)
    path_pointers, cluster_pointers = [], []
    for dirent in dirents:
        path_pointers.append(position)
        position += len(dirent)
    for cluster in packed:
        cluster_pointers.append(position)
        position += len(cluster)
    header = struct.pack(
        "<IHH16sIIQQQQIIQ",
        0x044D495A,
        6,
        1,
        b"u" * 16,
        len(entries),
        len(packed),
        paths_at,
        paths_at,
        clusters_at,
        80,
        0,
        0,
        position,
    )
    body = (
        header
        + mime_list
        + struct.pack(f"<{len(entries)}Q", *path_pointers)
        + struct.pack(f"<{len(packed)}Q", *cluster_pointers)
    )
    body += b"".join(dirents) + b"".join(packed)
    return body + hashlib.md5(body).digest()


def _pack_cluster(blobs: list[bytes], method: str, wide: bool) -> bytes:
    width = 8 if wide else 4
    offsets = [width * (len(blobs) + 1)]
    for blob in blobs:
        offsets.append(offsets[-1] + len(blob))
    data = struct.pack(f"<{len(offsets)}{'Q' if wide else 'I'}", *offsets) + b"".join(blobs)
    flag = 0x10 if wide else 0
    if method == "zstd":
        import zstandard

        return bytes([5 | flag]) + zstandard.ZstdCompressor().compress(data)
    if method == "xz":
        return bytes([4 | flag]) + lzma.compress(data)
    return bytes([1 | flag]) + data


# --- legacy Word --------------------------------------------------------------------------------------------------------


def make_doc(paragraphs: list[str]) -> bytes:
    """A Word 97 file: the text as one UTF-16 piece, no styles, in a compound file of 512-byte sectors."""
    text = "\r".join(paragraphs) + "\r"
    fib = bytearray(0x800)
    struct.pack_into("<HH", fib, 0, 0xA5EC, 0x00C1)
    struct.pack_into("<H", fib, 0x0A, 0x0200)  # the piece table is in the stream "1Table"
    struct.pack_into("<HH", fib, 0x20, 0x0E, 0)
    struct.pack_into("<H", fib, 0x3E, 0x16)
    struct.pack_into("<i", fib, 0x4C, len(text))
    struct.pack_into("<H", fib, 0x98, 0x5D)
    pieces = struct.pack("<ii", 0, len(text)) + struct.pack("<HIH", 0, 0x800, 0)
    # never at 0, which some readers take for "none"
    table = bytes(64) + b"\x02" + struct.pack("<I", len(pieces)) + pieces
    struct.pack_into("<II", fib, 0x1A2, 64, len(table) - 64)
    return make_compound_file({"WordDocument": bytes(fib) + text.encode("utf-16-le"), "1Table": table})


def make_compound_file(streams: dict[str, bytes]) -> bytes:
    """An OLE compound file, version 3; every stream is padded to 4096 bytes so that no mini stream is needed."""
    free, end, fat_mark = 0xFFFFFFFF, 0xFFFFFFFE, 0xFFFFFFFD
    chains: list[int] = []
    sectors: list[bytes] = []
    starts: dict[str, tuple[int, int]] = {}
    for name, data in streams.items():
        data = data.ljust(4096, b"\0")
        count = -(-len(data) // 512)
        starts[name] = (len(sectors), len(data))
        sectors += [data[n * 512 : (n + 1) * 512].ljust(512, b"\0") for n in range(count)]
        chains += [*range(len(chains) + 1, len(chains) + count), end]
    names = list(streams)
    directory_at = len(sectors)
    entries = [_compound_entry("Root Entry", 5, free, free, 1, end, 0)]
    order = sorted(range(len(names)), key=lambda n: (len(names[n]), names[n].upper()))
    for place, number in enumerate(order):
        right = place + 2 if place + 1 < len(order) else free
        start, size = starts[names[number]]
        entries.append(_compound_entry(names[number], 2, free, right, free, start, size))
    directory = b"".join(entries).ljust(-(-len(entries) // 4) * 512, b"\0")
    count = len(directory) // 512
    sectors += [directory[n * 512 : (n + 1) * 512] for n in range(count)]
    chains += [*range(len(chains) + 1, len(chains) + count), end]
    fat_at = len(sectors)
    num_fat = 1
    while num_fat * 128 < fat_at + num_fat:
        num_fat += 1
    chains += [fat_mark] * num_fat
    fat = struct.pack(f"<{len(chains)}I", *chains).ljust(num_fat * 512, b"\xff")
    sectors += [fat[n * 512 : (n + 1) * 512] for n in range(num_fat)]
    header = struct.pack("<8s16sHHHHH6sIIIIIIIII", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", b"", 0x3E, 3, 0xFFFE, 9, 6, b"",
                         0, num_fat, directory_at, 0, 4096, end, 0, end, 0)  # fmt: skip
    difat = [fat_at + n if n < num_fat else free for n in range(109)]
    return header + struct.pack("<109I", *difat) + b"".join(sectors)


def _compound_entry(name: str, kind: int, left: int, right: int, child: int, start: int, size: int) -> bytes:
    raw = name.encode("utf-16-le") + b"\0\0"
    return struct.pack("<64sHBBIII16sIQQIQ", raw, len(raw), kind, 1, left, right, child, b"", 0, 0, 0, start, size)
