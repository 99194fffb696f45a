"""Writes a few hundred broken, hostile and odd inputs, each with what may become of it.

    python tests/robustness/make_inputs.py FOLDER [--large]

Everything is made by code: truncated and encrypted documents, bombs, lying extensions, damaged bytes, strange names, special files.
`write_inputs` returns, for every input, the outcomes that are right: ``kept`` or reasons of the ledger.
"""

from __future__ import annotations

import gzip
import io
import json
import os
import random
import struct
import sys
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "corpus"))

from document_makers import (
    PdfWriter,
    docx_paragraph,
    make_doc,
    make_docx,
    make_epub,
    make_fb2,
    make_odt,
    make_pdf,
    make_rtf,
    make_zim,
    make_zip,
)

MIB = 2**20
TEXT = "Самовар стоял на столе, и вся семья собиралась вокруг него каждый вечер, чтобы выпить чаю."
LINES = [TEXT[:45], TEXT[45:], "Потом расходились по комнатам и читали книги до поздней ночи."]
ANY = frozenset(("*",))
REFUSED = frozenset(("refused",))  # any reason, but nothing kept


@dataclass(frozen=True, slots=True)
class Broken:
    """One input: its path, and the outcomes of which at least one, and no other, may appear (`ANY`: all; `REFUSED`: no text)."""

    path: Path
    allowed: frozenset[str]


@dataclass(frozen=True, slots=True)
class Made:
    """Bytes under a name, with the outcomes allowed."""

    name: str
    data: bytes
    allowed: frozenset[str]


def made(name: str, data: bytes, *allowed: str) -> Made:
    return Made(name, data, frozenset(allowed) or ANY)


def whole_documents() -> dict[str, bytes]:
    """Healthy documents, the material of the damage."""
    table = "\n".join(json.dumps({"title": f"Имя {n}", "text": f"{TEXT} {n}"}, ensure_ascii=False) for n in range(5))
    documents = {
        "a.txt": (TEXT * 5).encode(),
        "a.html": f"<html lang='ru'><head><title>Имя</title></head><body><h1>Чай</h1><p>{TEXT}</p></body></html>".encode(),
        "a.pdf": make_pdf([LINES, LINES], title="Имя"),
        "a.docx": make_docx(docx_paragraph(TEXT) * 3, title="Имя"),
        "a.odt": make_odt(f"<text:p>{TEXT}</text:p>" * 3, title="Имя"),
        "a.epub": make_epub(
            {"a.xhtml": f"<p>{TEXT}</p>", "b.xhtml": f"<p>{TEXT}</p>"}, meta="<dc:title>Имя</dc:title>"
        ),
        "a.fb2": make_fb2(f"<section><p>{TEXT}</p></section>" * 3, title_info="<book-title>Имя</book-title>"),
        "a.rtf": make_rtf([TEXT, TEXT], title="Имя"),
        "a.doc": make_doc([TEXT, TEXT]),
        "a.zip": make_zip({"a.txt": TEXT.encode(), "b.txt": TEXT.encode()}),
        "a.txt.gz": gzip.compress((TEXT * 30).encode()),
        "a.jsonl": table.encode(),
        "a.csv": ("title,text\n" + "\n".join(f'Имя {n},"{TEXT}"' for n in range(5))).encode(),
        "a.zim": make_zim(
            {f"A{n}": (f"Имя {n}", f"<p>{TEXT} {n}</p>") for n in range(4)}, metadata={"Language": "rus"}, method="xz"
        ),
    }
    try:
        import pyarrow
        import pyarrow.parquet as parquet
    except ImportError:
        return documents
    target = io.BytesIO()
    parquet.write_table(pyarrow.table({"text": [f"{TEXT} {n}" for n in range(5)]}), target)
    return documents | {"a.parquet": target.getvalue()}


def truncated(documents: dict[str, bytes]) -> Iterator[Made]:
    """Every format cut at several places."""
    for name, data in documents.items():
        stem, _, suffix = name.partition(".")
        for percent in (1, 25, 50, 75, 95):
            yield made(f"cut{percent}_{stem}.{suffix}", data[: max(1, len(data) * percent // 100)])
        yield made(f"cut_tail_{stem}.{suffix}", data[:-7])


def damaged(documents: dict[str, bytes]) -> Iterator[Made]:
    """Every format with random bytes changed, zeroed, removed and doubled."""
    rng = random.Random(20261123)
    for name, data in documents.items():
        for number, share in enumerate((0.0005, 0.01, 0.1)):
            changed = bytearray(data)
            for _ in range(max(1, int(len(data) * share))):
                changed[rng.randrange(len(changed))] = rng.randrange(256)
            yield made(f"noise{number}_{name}", bytes(changed))
        middle = len(data) // 2
        yield made(
            f"zeroed_{name}", data[: middle - len(data) // 8] + bytes(len(data) // 4) + data[middle + len(data) // 8 :]
        )
        yield made(f"hole_{name}", data[: middle - 20] + data[middle + 20 :])
        yield made(f"twice_{name}", data + data)
        yield made(f"rubbish_behind_{name}", data + bytes(rng.randrange(256) for _ in range(5000)))


def swapped(documents: dict[str, bytes]) -> Iterator[Made]:
    """Every format under the extension of the next: content decides, so the text is kept."""
    names = [name for name in documents if name not in ("a.txt", "a.jsonl", "a.csv", "a.txt.gz")]
    for name, other in zip(names, names[1:] + names[:1], strict=True):
        yield made(f"really_{name.rpartition('.')[2]}.{other.rpartition('.')[2]}", documents[name], "kept")


def wrong_extensions() -> Iterator[Made]:
    rng = random.Random(5)
    noise = bytes(rng.randrange(256) for _ in range(20_000))
    for suffix in ("txt", "md", "html", "csv", "jsonl", "json", "fb2"):
        yield made(f"noise.{suffix}", noise, "unsupported")
    for suffix in ("pdf", "docx", "odt", "epub", "rtf", "doc", "parquet", "zip", "zim", "gz"):
        yield made(f"noise.{suffix}", noise, "unsupported")
        yield made(f"plain_text.{suffix}", TEXT.encode(), "kept")
        yield made(f"empty.{suffix}", b"", "empty")
    magics = {
        "pdf": b"%PDF-1.7\n",
        "zip": b"PK\x03\x04",
        "gz": b"\x1f\x8b\x08",
        "zim": b"ZIM\x04",
        "parquet": b"PAR1",
        "rtf": b"{\\rtf1",
    }
    for suffix, magic in magics.items():
        yield made(f"only_magic.{suffix}", magic, *REFUSED)
        yield made(f"magic_and_noise.{suffix}", magic + noise, *REFUSED)
    yield made("only_magic.doc", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600), "damaged")
    yield made("magic_and_noise.doc", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + noise, "damaged")
    yield made("photo.txt", b"\x89PNG\r\n\x1a\n" + noise, "unsupported")
    yield made("song.md", b"ID3\x03" + noise, "unsupported")
    yield made("program.csv", b"\x7fELF\x02\x01\x01" + noise, "unsupported")


def encrypted() -> Iterator[Made]:
    yield made("password.pdf", make_pdf([LINES], password="secret"), "encrypted")
    yield made("password_owner_only.pdf", make_pdf([LINES], password=""), "kept")
    yield made("unknown_filter.pdf", make_pdf([LINES], password="secret").replace(b"/Standard", b"/Strangee"), *REFUSED)
    yield made("strong_revision.pdf", make_pdf([LINES], password="x").replace(b"/V 1/R 2", b"/V 5/R 6"), *REFUSED)
    flagged = bytearray(make_zip({"a.txt": TEXT.encode()}))
    flagged[6] |= 1
    flagged[flagged.index(b"PK\x01\x02") + 8] |= 1
    yield made("password.zip", bytes(flagged), "encrypted")
    package = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(2000) + "EncryptedPackage".encode("utf-16-le") + bytes(500)
    yield made("password.docx", package, "encrypted")
    yield made("password.odt", make_odt("<text:p>x</text:p>", manifest='<encryption-data a="b"/>'), "encrypted")
    drm = {
        "META-INF/encryption.xml": b'<e><EncryptionMethod Algorithm="http://www.w3.org/2001/04/xmlenc#aes128-cbc"/></e>'
    }
    yield made("drm.epub", make_epub({"a.xhtml": f"<p>{TEXT}</p>"}, extra=drm), "encrypted")


LAUGHS = (
    "<!DOCTYPE x ["
    + '<!ENTITY a0 "хахахаха">'
    + "".join(f'<!ENTITY a{n} "{f"&a{n - 1};" * 10}">' for n in range(1, 10))
    + "]>"
)
QUADRATIC = f'<!DOCTYPE x [<!ENTITY big "{"x" * 100_000}">]>'
EXTERNAL = '<!DOCTYPE x [<!ENTITY f SYSTEM "file:///etc/passwd">]>'
REMOTE = '<!DOCTYPE x SYSTEM "http://127.0.0.1:9/evil.dtd">'


def entity_bombs() -> Iterator[Made]:
    """Entities in every XML format: expanding, quadratic, reading a local file, fetching a remote DTD."""
    kinds = {"laughs": (LAUGHS, "&a9;"), "quadratic": (QUADRATIC, "&big;" * 50_000), "external": (EXTERNAL, "&f;")}
    for kind, (doctype, use) in kinds.items():
        fb2 = make_fb2(f"<section><p>{TEXT} {use}</p></section>").decode()
        yield made(f"{kind}.fb2", fb2.replace("?>", "?>" + doctype, 1).encode(), "xml_entities")
        yield made(
            f"{kind}_utf16.fb2",
            fb2.replace("utf-8", "utf-16").replace("?>", "?>" + doctype, 1).encode("utf-16"),
            "xml_entities",
            "damaged",
        )
        docx = f'<?xml version="1.0"?>{doctype}<w:document xmlns:w="w"><w:body>{docx_paragraph("@@")}</w:body></w:document>'.replace(
            "@@", use
        )
        yield made(f"{kind}.docx", make_zip({"word/document.xml": docx.encode()}), "xml_entities")
        odt = f'<?xml version="1.0"?>{doctype}<office:document-content xmlns:office="o"><office:body>{use}</office:body></office:document-content>'
        parts = {"mimetype": b"application/vnd.oasis.opendocument.text", "content.xml": odt.encode()}
        yield made(f"{kind}.odt", make_zip(parts), "xml_entities")
        container = f'<?xml version="1.0"?>{doctype}<container>{use}</container>'
        yield made(
            f"{kind}.epub",
            make_zip({"mimetype": b"application/epub+zip", "META-INF/container.xml": container.encode()}),
            "xml_entities",
        )
    remote = make_fb2(f"<section><p>{TEXT}</p></section>").decode().replace("?>", "?>" + REMOTE, 1)
    yield made("remote_dtd.fb2", remote.encode(), "kept")
    page = f"<?xml version='1.0'?>{EXTERNAL}<html><body><p>{TEXT} &f;</p></body></html>"
    yield made("external.xhtml", page.encode(), "kept")
    book = make_epub({"a.xhtml": f"<p>{TEXT} &f;</p>"})
    yield made("entity_in_page.epub", book, "kept")


def bombs() -> Iterator[Made]:
    zeros = bytes(30 * MIB)
    yield made("zeros.zip", make_zip({"zeros.txt": zeros}), "compression_ratio")
    yield made("zeros.txt.gz", gzip.compress(zeros), "compression_ratio", "empty")
    yield made("zeros.docx", make_zip({"word/document.xml": zeros}), "compression_ratio")
    yield made(
        "zeros.odt",
        make_zip({"mimetype": b"application/vnd.oasis.opendocument.text", "content.xml": zeros}),
        "compression_ratio",
    )
    pages = make_epub({"a.xhtml": "<p>x</p>"}, extra={"OEBPS/a.xhtml": zeros})
    yield made("zeros.epub", pages, "compression_ratio")
    inner = make_zip({f"{n}.txt": (TEXT * 100).encode() for n in range(20)})
    yield made("nested.zip", make_zip({f"{n}.zip": inner + bytes(n) for n in range(20)}))
    deep = TEXT.encode()
    for level in range(60):
        deep = make_zip({"a.zip" if level else "a.txt": deep})
    yield made("deep.zip", deep, "too_deep")
    deep = TEXT.encode()
    for _ in range(60):
        deep = gzip.compress(deep)
    yield made("deep.gz", deep, "too_deep")
    yield made(
        "many.zip",
        make_zip({f"{n}": b"" for n in range(30_000)}, compress=zipfile.ZIP_STORED),
        "too_many_members",
        "empty",
    )
    yield made("overlapping.zip", overlapping_zip(), *REFUSED)
    yield made("quine_like.zip", make_zip({"a.zip": make_zip({"a.zip": make_zip({})})}), "empty")
    yield made("lying_size.zip", lying_zip(), *REFUSED)
    bomb = make_zim({"A": ("А", "<p>" + "x" * 60 * MIB + "</p>")}, method="xz")
    yield made("xz_bomb.zim", bomb)
    yield made("stream_bomb.pdf", pdf_with_stream(zlib.compress(bytes(40 * MIB)), b"/Filter/FlateDecode"))
    doubled = zlib.compress(zlib.compress(b"BT /F1 9 Tf (a) Tj ET " * 2_000_000))
    yield made("double_stream_bomb.pdf", pdf_with_stream(doubled, b"/Filter[/FlateDecode/FlateDecode]"))


def overlapping_zip() -> bytes:
    """Many directory entries that point at one and the same member."""
    payload = zlib.compress(bytes(20 * MIB))[2:-4]
    name = b"a.txt"
    crc = zlib.crc32(bytes(20 * MIB))
    local = (
        struct.pack("<4sHHHHHIIIHH", b"PK\x03\x04", 20, 0, 8, 0, 0, crc, len(payload), 20 * MIB, len(name), 0)
        + name
        + payload
    )
    entry = struct.pack(
        "<4sHHHHHHIIIHHHHHII",
        b"PK\x01\x02",
        20,
        20,
        0,
        8,
        0,
        0,
        crc,
        len(payload),
        20 * MIB,
        len(name),
        0,
        0,
        0,
        0,
        0,
        0,
    )
    directory = (entry + name) * 2000
    return local + directory + struct.pack("<4sHHHHIIH", b"PK\x05\x06", 0, 0, 2000, 2000, len(directory), len(local), 0)


def lying_zip() -> bytes:
    """A member that unpacks to more than its header says."""
    data = bytearray(make_zip({"a.txt": b"A" * 100_000}))
    data[22:26] = struct.pack("<I", 10)
    at = data.index(b"PK\x01\x02") + 24
    data[at : at + 4] = struct.pack("<I", 10)
    return bytes(data)


def pdf_with_stream(stream: bytes, filters: bytes) -> bytes:
    pdf = PdfWriter()
    content = pdf.add(filters, stream)
    font = pdf.add(b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>")
    page = pdf.add(
        b"<</Type/Page/Parent 4 0 R/MediaBox[0 0 9 9]/Contents %d 0 R/Resources<</Font<</F1 %d 0 R>>>>>>"
        % (content, font)
    )
    pdf.add(b"<</Type/Pages/Count 1/Kids[%d 0 R]>>" % page)
    return pdf.finish(pdf.add(b"<</Type/Catalog/Pages 4 0 R>>"))


def odd_pdfs() -> Iterator[Made]:
    """Loops in the page tree, the cross-reference chain and forms; absurd counts and sizes."""

    def build(*objects: bytes, root: int = 1) -> bytes:
        pdf = PdfWriter()
        for body in objects:
            pdf.add(body)
        return pdf.finish(root)

    catalog = b"<</Type/Catalog/Pages 2 0 R>>"
    yield made("page_tree_loop.pdf", build(catalog, b"<</Type/Pages/Count 5/Kids[2 0 R 2 0 R]>>"), *REFUSED)
    yield made(
        "page_tree_two_loop.pdf",
        build(catalog, b"<</Type/Pages/Count 9/Kids[3 0 R]>>", b"<</Type/Pages/Count 9/Parent 2 0 R/Kids[2 0 R]>>"),
        *REFUSED,
    )
    yield made(
        "million_pages.pdf",
        build(catalog, b"<</Type/Pages/Count 1000000/Kids[3 0 R]>>", b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 9 9]>>"),
        *REFUSED,
    )
    yield made("negative_pages.pdf", build(catalog, b"<</Type/Pages/Count -5/Kids[]>>"), *REFUSED)
    yield made("no_pages.pdf", build(catalog, b"<</Type/Pages/Count 0/Kids[]>>"), *REFUSED)
    yield made("catalog_is_itself.pdf", build(b"<</Type/Catalog/Pages 1 0 R>>"), *REFUSED)
    yield made(
        "deep_array.pdf",
        build(catalog, b"<</Type/Pages/Count 1/Kids" + b"[" * 100_000 + b"]" * 100_000 + b">>"),
        *REFUSED,
    )
    whole = make_pdf([LINES])
    yield made("xref_prev_loop.pdf", whole.replace(b"trailer\n<<", b"trailer\n<</Prev %d" % whole.index(b"xref\n0")))
    yield made("startxref_far.pdf", whole[: whole.rindex(b"startxref")] + b"startxref\n99999999999\n%%EOF")
    yield made("no_startxref.pdf", whole[: whole.rindex(b"startxref")])
    yield made("shifted.pdf", b"rubbish in front of it " * 20 + whole)
    yield made("stream_length_lies.pdf", whole.replace(b"/Length ", b"/Length 9"))
    yield made("form_loop.pdf", form_loop_pdf())
    yield made("huge_media_box.pdf", whole.replace(b"[0 0 595 842]", b"[0 0 9e30 9e30]"))
    yield made("no_to_unicode.pdf", make_pdf([LINES], to_unicode=False), *REFUSED)
    yield made("legacy_layer.pdf", make_pdf([LINES], codec="cp1251"), "kept")
    shown = {character: chr(0xE000 + ord(character) % 4096) for line in LINES for character in line}
    yield made("private_layer.pdf", make_pdf([LINES], shown=shown), *REFUSED)
    yield made("many_pages.pdf", make_pdf([[TEXT[:60]]] * 3000), "kept")


def form_loop_pdf() -> bytes:
    pdf = PdfWriter()
    pdf.add(b"<</Type/Catalog/Pages 2 0 R>>")
    pdf.add(b"<</Type/Pages/Count 1/Kids[3 0 R]>>")
    pdf.add(b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 99 99]/Contents 4 0 R/Resources<</XObject<</X 5 0 R>>>>>>")
    pdf.add(b"", b"/X Do")
    pdf.add(b"/Type/XObject/Subtype/Form/BBox[0 0 9 9]/Resources<</XObject<</X 5 0 R>>>>", b"/X Do /X Do /X Do")
    return pdf.finish(1)


def odd_texts() -> Iterator[Made]:
    yield made("zero_bytes.txt", b"", "empty")
    yield made("one_byte.txt", b"a", "too_short")
    yield made("only_bom.txt", b"\xef\xbb\xbf", "empty")
    yield made("only_bom16.txt", b"\xff\xfe", "empty", "unsupported")
    yield made("only_spaces.txt", b" \n\t" * 10_000, "empty")
    yield made("only_nuls.txt", bytes(100_000), "unsupported", "empty")
    yield made("digits.txt", b"1234567890 " * 1000, "too_short")
    yield made("lone_continuation.txt", TEXT.encode() + b"\x80\xbf" * 3 + TEXT.encode(), "kept")
    yield made("cut_character.txt", (TEXT * 3).encode()[:-1], "kept")
    yield made("overlong_utf8.txt", b"\xc0\x80\xe0\x80\x80" * 200)
    yield made("surrogates_utf8.txt", (TEXT + "\ud800\udfff").encode("utf-8", "surrogatepass") * 3)
    yield made("utf16_no_bom_le.txt", (TEXT * 3).encode("utf-16-le"), "kept")
    yield made("utf16_no_bom_be.txt", (TEXT * 3).encode("utf-16-be"), "kept")
    yield made("utf16_odd_length.txt", (TEXT * 3).encode("utf-16")[:-1], "kept")
    yield made("utf32.txt", (TEXT * 3).encode("utf-32"), "kept")
    yield made("utf16_lone_surrogates.txt", b"\xff\xfe" + (TEXT * 2).encode("utf-16-le") + b"\x00\xd8" * 5, "kept")
    mixed = b"\n".join(TEXT.encode(codec) for codec in ("utf-8", "cp1251", "utf-8", "cp1251"))
    yield made("mixed_encodings.txt", mixed, "kept")
    yield made("mixed_in_line.txt", TEXT.encode() + TEXT.encode("koi8-r") + TEXT.encode("cp866"))
    for codec in ("cp1251", "koi8-r", "cp866", "mac-cyrillic", "iso8859-5"):
        yield made(f"legacy_{codec}.txt", TEXT.encode(codec), "kept")
    yield made("line_20mb.txt", (TEXT + " ").encode() * (20 * MIB // len(TEXT.encode())), "kept")
    yield made("no_break_20mb.txt", b"a" * 20 * MIB, "kept")
    yield made("blank_lines.txt", b"\n" * 20 * MIB, "empty")
    yield made("combining.txt", ("е" + "\u0301" * 100_000).encode() + TEXT.encode(), "kept")
    yield made("right_to_left.txt", ("\u202e" + TEXT + "\u202d").encode() * 3, "kept")
    yield made("terminal_codes.txt", ("\x1b[31m" + TEXT + "\x1b[0m\x07").encode(), "kept", "unsupported")
    yield made("emoji.txt", ("🫖👨‍👩‍👧‍👦 " * 500 + TEXT).encode(), "kept")
    yield made("brackets.md", b"[" * 200_000 + b"(" * 200_000 + TEXT.encode(), "kept")
    yield made("stars.md", b"*" * 300_000 + TEXT.encode(), "kept")
    yield made("underscores.md", b"_a" * 150_000 + b" " + TEXT.encode(), "kept")
    yield made("front_matter_open.md", b"---\ntitle: x\n" * 20_000 + TEXT.encode(), "kept")
    yield made("openers.md", b" **a" * 100_000 + b" __a" * 100_000 + b"<!--" * 100_000 + TEXT.encode(), "kept")
    yield made("front_matter_long.md", b"---\ntitle: " + b" x" * 500_000 + b"\n---\n" + TEXT.encode(), "kept")
    yield made("tabs.txt", b"\t" * MIB + b"x" + b"\t \t" * MIB + TEXT.encode(), "kept")
    yield made("backticks.md", b"`" * 300_000 + TEXT.encode(), "kept")
    yield made("pipes.md", b"|-" * 150_000 + b"x\n" + TEXT.encode(), "kept")


def odd_markup() -> Iterator[Made]:
    text = TEXT.encode()
    yield made("nested_divs.html", b"<div>" * 100_000 + text + b"</div>" * 100_000)
    yield made("nested_tables.html", b"<table><tr><td>" * 20_000 + text)
    yield made("nested_formatting.html", b"<b><i><a>" * 30_000 + text)
    yield made("unclosed.html", b"<html><body><p>" + text + b"<p", "kept")
    yield made("attributes.html", b"<html><p " + b"a=1 " * 200_000 + b">" + text + b"</p>", "kept")
    yield made("long_attribute.html", b'<html><p title="' + b"x" * 10 * MIB + b'">' + text + b"</p>", "kept")
    yield made("comment_open.html", b"<html><p>" + text + b"</p><!--" + b"-" * MIB, "kept")
    yield made("script_open.html", b"<html><p>" + text + b"</p><script>" + b"x" * MIB, "kept")
    yield made("charset_unknown.html", b'<html><meta charset="x-nonsense"><p>' + TEXT.encode("cp1251"), "kept")
    yield made("charset_codec.html", b'<html><meta charset="zlib_codec"><p>' + TEXT.encode("cp1251"), "kept")
    yield made("charset_idna.html", b'<html><meta charset="punycode"><p>' + TEXT.encode("cp1251"))
    yield made("comments_first.html", b"<!--x-->" * 900 + b"no element follows, only these letters", "kept")
    yield made("spaces_in_pre.html", b"<html><pre>" + b" " * MIB + text + b" " * MIB + b"</pre>", "kept")
    yield made("nul_in_tags.html", b"<ht\0ml><p\0>" + text + b"\0</p>")
    yield made("entities.html", b"<html><p>" + b"&amp;&#0;&#x110000;&nonsense;" * 10_000 + text + b"</p>", "kept")
    yield made("deep.fb2", make_fb2("<section>" * 50_000 + f"<p>{TEXT}</p>" + "</section>" * 50_000))
    yield made("unclosed.fb2", make_fb2(f"<section><p>{TEXT}<p>{TEXT}</section>"), "kept")
    yield made("not_xml.fb2", text, *REFUSED)
    yield made("long_text.fb2", make_fb2(f"<section><p>{'x' * 11 * MIB}</p></section>"))
    yield made(
        "bad_characters.fb2", make_fb2(f"<section><p>{TEXT}</p></section>").replace(b"<p>", b"<p>\x01\x02\x1f\xff")
    )
    yield made("wrong_encoding.fb2", make_fb2(f"<section><p>{TEXT}</p></section>").decode().encode("cp1251"), "kept")
    yield made("unknown_encoding.fb2", make_fb2(f"<section><p>{TEXT}</p></section>").replace(b'"utf-8"', b'"nonsense"'))
    yield made(
        "deep.docx",
        make_docx("<w:sdt><w:sdtContent>" * 20_000 + docx_paragraph(TEXT) + "</w:sdtContent></w:sdt>" * 20_000),
    )
    yield made(
        "deep_tables.docx", make_docx("<w:tbl><w:tr><w:tc>" * 80 + docx_paragraph(TEXT) + "</w:tc></w:tr></w:tbl>" * 80)
    )
    yield made("cut_xml.docx", make_zip({"word/document.xml": make_document_xml()[:-200]}), "kept")
    yield made("no_main_part.docx", make_zip({"word/other.xml": b"<x/>", "[Content_Types].xml": b"<x/>"}))
    yield made(
        "spaces.odt", make_odt(f'<text:p><text:s text:c="999999999999"/>{TEXT}<text:s text:c="-5"/></text:p>'), "kept"
    )
    yield made(
        "notes_in_notes.odt",
        make_odt(
            "<text:p>"
            + "<text:note><text:note-body><text:p>" * 50
            + TEXT
            + "</text:p></text:note-body></text:note>" * 50
            + "</text:p>"
        ),
    )
    yield made(
        "no_spine.epub", make_epub({"a.xhtml": f"<p>{TEXT}</p>"}).replace(b"OEBPS/book.opf", b"OEBPS/zook.opf"), "kept"
    )
    climbing = make_epub({"../../../etc/passwd": f"<p>{TEXT}</p>", "a.xhtml": f"<p>{TEXT}</p>"})
    yield made("climbing.epub", climbing, "kept")
    yield made("spine_repeats.epub", make_epub({"a.xhtml": f"<p>{TEXT}</p>"}, order=["a.xhtml"] * 5000))
    yield made("groups.rtf", b"{\\rtf1 " + b"{" * 200_000 + text)
    yield made("deep_closed.rtf", b"{\\rtf1 " + b"{" * 50_000 + b"words enough for a document here" + b"}" * 50_001)
    yield made("title_open.rtf", b"{\\rtf1{\\info{\\title " + b"\\'cf" * 15_000 + b"{}}}" + text + b"}")
    yield made("bin.rtf", b"{\\rtf1 \\bin2147483647 " + text + b"}")
    yield made("negative_unicode.rtf", b"{\\rtf1 \\u-99999999999999? \\u99999999? letters enough to make a document}")


def make_document_xml() -> bytes:
    with zipfile.ZipFile(io.BytesIO(make_docx(docx_paragraph(TEXT) * 5))) as package:
        return package.read("word/document.xml")


def odd_tables() -> Iterator[Made]:
    text = TEXT.encode()
    yield made(
        "nuls.csv", b"title,text\n" + b"\0".join(b"a,%s\n" % text for _ in range(20)), "kept", "too_short", "empty"
    )
    yield made(
        "unbalanced.csv",
        b'title,text\na,"' + text + b"\n" + b"b,%s\n" % text * 5000,
        "kept",
        "unbalanced_quote",
        "bad_row",
        "too_short",
    )
    yield made("unbalanced_long.csv", b'text\n"' + text * 200_000)
    yield made("million_columns.csv", b"c," * 1_000_000 + b"\n" + b"1," * 1_000_000, "too_many_columns")
    yield made(
        "million_columns.jsonl", json.dumps({f"c{n}": n for n in range(300_000)}).encode(), "no_text_column", *REFUSED
    )
    yield made("ragged.csv", b"title,text\n" + b"".join(b"," * n + text + b"\n" for n in range(200)))
    yield made("only_header.csv", b"title,text\n", "empty")
    yield made("only_quotes.csv", b'"' * 100_001)
    yield made("no_newline.csv", b"text," * 50_000)
    yield made("carriage_returns.csv", b"text\r" + b'"%s"\r' % text * 100, "kept")
    yield made(
        "bad_lines.jsonl", b'{"text":"%s"}\nbroken\n{"text":"%s"}\n[1]\nnull\n' % (text, text), "kept", "bad_json"
    )
    yield made("deep.json", b"[" * 1_000_000, "too_deep", "bad_json")
    yield made("deep_objects.json", b'{"a":' * 500_000 + b"1" + b"}" * 500_000, "too_deep", "bad_json")
    yield made("deep.jsonl", (b'{"a":' * 200_000 + b"\n") * 3 + b'{"text":"%s"}' % text, "kept", "too_deep", "bad_json")
    yield made("huge_number.jsonl", b'{"text":"%s","n":%s}' % (text, b"9" * 1_000_000), "kept")
    yield made("huge_exponent.jsonl", b'{"text":"%s","n":1e999999999}' % text, "kept")
    yield made("not_numbers.jsonl", b'{"text":"%s","n":NaN,"m":-Infinity}' % text, "kept")
    yield made("twice_the_key.jsonl", b'{"text":"x","text":"%s"}' % text, "kept")
    yield made("lone_surrogate.jsonl", b'{"text":"%s \\ud800 \\udc00"}' % text, "kept")
    yield made("text_is_a_list.jsonl", b'{"text":["%s"]}' % text)
    yield made("long_line.jsonl", b'{"text":"' + b"a" * 20 * MIB + b'"}', "kept")
    yield made("invalid_utf8.jsonl", b'{"text":"%s\xff\xfe"}\n' % text * 3)
    yield made("bom_and_crlf.jsonl", b"\xef\xbb\xbf" + b'{"text":"%s"}\r\n' % text * 3, "kept")
    yield made("no_texts.jsonl", b'{"a":1}\n{"a":2}', "no_text_column")
    yield made("array.json", b'[{"text":"%s"},5,null]' % text, "kept", "bad_json")
    yield made("footer_lies.parquet", b"PAR1" + bytes(100) + struct.pack("<I", 2**31 - 1) + b"PAR1", *REFUSED)
    yield made("footer_noise.parquet", b"PAR1" + os.urandom(500) + struct.pack("<I", 400) + b"PAR1", *REFUSED)


def odd_zims() -> Iterator[Made]:
    whole = make_zim({"A": ("А", f"<p>{TEXT}</p>")}, method="none")

    def patched(offset: int, data: bytes) -> bytes:
        return whole[:offset] + data + whole[offset + len(data) :]

    yield made("entries_lie.zim", patched(24, struct.pack("<I", 2**32 - 1)), *REFUSED)
    yield made("clusters_lie.zim", patched(28, struct.pack("<I", 2**32 - 1)), *REFUSED)
    for number, offset in enumerate((32, 40, 48, 56)):
        yield made(f"offset{number}_far.zim", patched(offset, struct.pack("<Q", 2**63 + 5)))
        yield made(f"offset{number}_zero.zim", patched(offset, bytes(8)))
    yield made("version.zim", patched(4, struct.pack("<H", 99)), *REFUSED)
    yield made("no_pages.zim", make_zim({}, method="none"), "empty")
    redirects = make_zim({"A": ("А", f"<p>{TEXT}</p>")}, redirects={f"R{n}": "A" for n in range(3000)}, method="none")
    yield made("redirects.zim", redirects, "kept")


def odd_names() -> Iterator[Made]:
    names = [
        "Чай.txt",
        "с пробелом.txt",
        "🫖.txt",
        "строка\nстрока.txt",
        "'кавычка\".txt",
        "$(id);`id`.txt",
        "-rf.txt",
        "a\\b.txt",
        "%s%n.txt",
        "​.txt",
    ]
    names += [
        "x" * 251 + ".txt",
        "ё" * 125 + ".txt",
        "e\u0301.txt",
        "\u202etxt.exe",
        "file.tar.txt.pdf.txt",
        "CON.txt",
        "*?[a].txt",
        "~.txt",
        "!.txt",
    ]
    for name in names:
        yield made(name, TEXT.encode(), "kept")
    for label, name in (
        ("dots", "../../../tmp/evil.txt"),
        ("absolute", "/tmp/evil.txt"),
        ("drive", "C:\\evil.txt"),
        ("nul", "a\0b.txt"),
        ("newline", "a\nb.txt"),
    ):
        yield made(f"traversal_{label}.zip", make_zip({name: TEXT.encode()}), "kept")
    yield made("long_member.zip", make_zip({"д" * 30_000 + ".txt": TEXT.encode()}), "kept")
    yield made("same_name.zip", same_names(), "kept")


def same_names() -> bytes:
    placeholders = make_zip({f"a{n}.txt": f"{TEXT} {n}".encode() for n in range(5)})
    for number in range(5):
        placeholders = placeholders.replace(f"a{number}.txt".encode(), b"aa.txt")
    return placeholders


def large_inputs() -> Iterator[Made]:
    line = (TEXT + " ").encode()
    yield made("line_200mb.txt", line * (200 * MIB // len(line)), "kept", "too_long")
    yield made("line_200mb.jsonl", b'{"text":"' + b"a" * 200 * MIB + b'"}', "kept", "too_long")
    yield made("html_100mb.html", b"<html><p>" + line * (100 * MIB // len(line)))


def all_made() -> Iterator[Made]:
    documents = whole_documents()
    yield from truncated(documents)
    yield from damaged(documents)
    yield from swapped(documents)
    for group in (
        wrong_extensions, encrypted, entity_bombs, bombs, odd_pdfs, odd_texts, odd_markup, odd_tables, odd_zims, odd_names,
    ):  # fmt: skip
        yield from group()


def write_inputs(folder: Path, *, large: bool = False) -> list[Broken]:
    """Write every input under `folder` (each in a folder of its own group) and return them with what may become of them."""
    inputs: list[Broken] = []
    for number, item in enumerate(large_inputs() if large else all_made()):
        path = folder / f"{number:03d}" / item.name
        path.parent.mkdir(parents=True)
        path.write_bytes(item.data)
        inputs.append(Broken(path, item.allowed))
    return inputs if large else inputs + write_special(folder / "special")


def write_special(folder: Path) -> list[Broken]:
    """Write what is not a regular file, and links."""
    folder.mkdir()
    os.mkfifo(folder / "fifo.txt")
    (folder / "folder.pdf").mkdir()
    (folder / "loop.txt").symlink_to(folder / "loop.txt")
    (folder / "gone.txt").symlink_to(folder / "nothing")
    (folder / "zero.txt").symlink_to("/dev/zero")
    (folder / "null.txt").symlink_to("/dev/null")
    (folder / "up.zip").symlink_to(folder)
    name = os.fsdecode(os.fsencode(folder) + b"/\xff\xfe\xfa.txt")
    Path(name).write_text(TEXT, encoding="utf-8")
    inputs = [
        Broken(folder / link, frozenset(("not_a_file",)))
        for link in ("fifo.txt", "folder.pdf", "zero.txt", "null.txt", "up.zip")
    ]
    inputs += [
        Broken(folder / "loop.txt", frozenset(("unreadable",))),
        Broken(folder / "gone.txt", frozenset(("not_found",))),
    ]
    inputs.append(Broken(Path(name), frozenset(("kept",))))
    if os.geteuid() != 0:
        (folder / "secret.txt").write_text(TEXT, encoding="utf-8")
        (folder / "secret.txt").chmod(0)
        inputs.append(Broken(folder / "secret.txt", frozenset(("permission",))))
    return inputs


if __name__ == "__main__":
    for broken in write_inputs(Path(sys.argv[1]), large="--large" in sys.argv):
        print(broken.path, ",".join(sorted(broken.allowed)))
