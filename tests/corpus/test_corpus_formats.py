"""Healthy documents of every format: exact text, title and metadata. Content decides, not the extension."""

from __future__ import annotations

import gzip
from collections.abc import Callable

import pytest
from document_makers import (
    docx_paragraph,
    make_doc,
    make_docx,
    make_epub,
    make_fb2,
    make_odt,
    make_pdf,
    make_rtf,
    make_zip,
)

from samovar.corpus.extracted import Extracted

ReadOne = Callable[..., Extracted]
Refused = Callable[..., tuple[str, str]]

LINE = "Самовар стоял на столе, и вся семья собиралась вокруг него каждый вечер."
SECOND = "Чай пили с баранками, вареньем и мёдом, не спеша рассказывая о прошедшем дне."


def test_plain_text(read_one: ReadOne) -> None:
    item = read_one((LINE + "\r\n\r\n\r\n" + SECOND).encode(), "Чаепитие.txt")
    assert (item.title, item.text, item.language) == ("Чаепитие", f"{LINE}\n\n{SECOND}", "ru")
    assert (item.published, item.publisher, item.origin, item.licence, item.changed) == (
        "",
        "",
        "unknown",
        "unknown",
        (),
    )


def test_plain_text_in_a_legacy_encoding_is_noted(read_one: ReadOne) -> None:
    item = read_one(LINE.encode("koi8-r"), "a.txt")
    assert item.text == LINE
    assert item.changed == (("encoding", "koi8-r"),)
    assert item.rows()[0].decision == "changed"


def test_mojibake_in_a_text_file_is_repaired_and_noted(read_one: ReadOne) -> None:
    item = read_one(LINE.encode().decode("koi8-r").encode(), "a.txt")
    assert dict(item.changed)["mojibake_repaired"] == "utf-8 read as koi8-r"


def test_markdown_front_matter(read_one: ReadOne) -> None:
    text = f'---\ntitle: "Чай и самовар"\nauthor: Мария Петрова\ndate: 2020-05-06\nlang: ru\nlicense: CC0\n---\n# Другое\n\n**{LINE}**\n'
    item = read_one(text.encode(), "a.md")
    assert (item.title, item.text) == ("Чай и самовар", f"Другое\n\n{LINE}")
    assert (item.published, item.licence, item.metadata) == ("2020-05-06", "CC0", {"author": "Мария Петрова"})


def test_markdown_heading_is_the_title(read_one: ReadOne) -> None:
    assert read_one(f"# Про *чай*\n\n{LINE}".encode(), "a.md").title == "Про чай"
    assert read_one(f"Про чай\n=======\n\n{LINE}".encode(), "a.md").title == "Про чай"


HTML = f"""<!DOCTYPE html><html lang="ru-RU"><head><meta charset="utf-8"><title>Чай &amp; самовар</title>
<meta property="og:site_name" content="Журнал «Быт»"><meta property="article:published_time" content="2019-08-07T10:00:00+03:00">
<meta name="author" content="Пётр Иванов"><link rel="license" href="https://creativecommons.org/licenses/by/4.0/"></head>
<body><nav>Меню Главная Контакты</nav><article><h1>Чай</h1><p>{LINE}</p><ul><li>чай</li><li>сахар</li></ul>
<table><tr><td>год</td><td>1820</td></tr><tr><td>город</td><td>Тула</td></tr></table><script>bad()</script><p>{SECOND}</p></article>
<footer>Все права</footer></body></html>"""
HTML_TEXT = f"Чай\n\n{LINE}\n\nчай\nсахар\nгод\t1820\nгород\tТула\n\n{SECOND}"


def test_html(read_one: ReadOne) -> None:
    item = read_one(HTML.encode(), "a.html")
    assert (item.title, item.text, item.language) == ("Чай & самовар", HTML_TEXT, "ru")
    assert (item.published, item.publisher, item.licence) == ("2019-08-07", "Журнал «Быт»", "CC-BY-4.0")
    assert item.metadata == {"author": "Пётр Иванов"}


@pytest.mark.parametrize("codec", ["cp1251", "koi8-r", "utf-16"])
def test_html_in_other_encodings_whatever_it_declares(read_one: ReadOne, codec: str) -> None:
    html = HTML.replace("«", "").replace("»", "")
    assert read_one(html.replace('charset="utf-8"', f'charset="{codec}"').encode(codec), "a.html").text == HTML_TEXT
    assert read_one(html.encode(codec), "a.html").text == HTML_TEXT


def test_html_from_the_web_loses_navigation(read_one: ReadOne) -> None:
    item = read_one(HTML.encode(), "https://example.org/tea.html")
    assert LINE in item.text and SECOND in item.text
    assert "Меню" not in item.text and "Все права" not in item.text and "bad()" not in item.text


def test_declared_language_of_a_page_is_overruled_by_its_text(read_one: ReadOne) -> None:
    item = read_one(HTML.replace("ru-RU", "en").encode(), "a.html")
    assert item.language == "ru" and ("language_overruled", "declared en") in item.changed


def test_docx(read_one: ReadOne) -> None:
    body = (
        docx_paragraph("Заголовок & имя")
        + "<w:p><w:r><w:t>Самовар</w:t></w:r><w:r><w:tab/><w:t>стоял</w:t><w:br/><w:t>на столе</w:t></w:r>"
        "<w:del><w:r><w:delText>удалено</w:delText></w:r></w:del><w:ins><w:r><w:t>, вставлено</w:t></w:r></w:ins>"
        "<w:r><w:instrText>PAGE</w:instrText></w:r></w:p>"
        + "<w:tbl>"
        + "".join(
            f"<w:tr><w:tc>{docx_paragraph(a)}</w:tc><w:tc>{docx_paragraph(b)}</w:tc></w:tr>"
            for a, b in (("год", "1820"), ("город", "Тула"))
        )
        + "</w:tbl>"
        + docx_paragraph(LINE)
    )
    notes = f'<w:footnote w:type="separator" w:id="0">{docx_paragraph("---")}</w:footnote><w:footnote w:id="2">{docx_paragraph("Сноска первая.")}</w:footnote>'
    item = read_one(make_docx(body, title="Чай", author="Анна", created="2020-01-02T03:04:05Z", notes=notes), "a.docx")
    assert (
        item.text
        == f"Заголовок & имя\n\nСамовар\tстоял\nна столе, вставлено\n\nгод\t1820\nгород\tТула\n\n{LINE}\n\nСноска первая."
    )
    assert (item.title, item.published, item.metadata) == ("Чай", "2020-01-02", {"author": "Анна"})


def test_odt(read_one: ReadOne) -> None:
    body = (
        "<text:tracked-changes><text:p>удалено</text:p></text:tracked-changes><text:h>Заголовок</text:h>"
        f'<text:p>Один<text:s text:c="3"/>два<text:tab/>три<text:line-break/><text:span>{LINE}</text:span><text:note>'
        "<text:note-citation>1</text:note-citation><text:note-body><text:p>Сноска первая.</text:p></text:note-body></text:note> хвост</text:p>"
        "<text:list><text:list-item><text:p>пункт</text:p></text:list-item></text:list>"
        "<table:table><table:table-row><table:table-cell><text:p>год</text:p></table:table-cell><table:table-cell><text:p>1820</text:p>"
        "</table:table-cell></table:table-row></table:table>"
    )
    item = read_one(make_odt(body, title="Чай", author="Анна", created="2020-02-03T00:00:00"), "a.odt")
    assert item.text == f"Заголовок\n\nОдин два\tтри\n{LINE} хвост\n\nпункт\n\nгод\t1820\n\nСноска первая."
    assert (item.title, item.published, item.metadata) == ("Чай", "2020-02-03", {"author": "Анна"})


def test_epub(read_one: ReadOne) -> None:
    meta = (
        "<dc:title>Чай</dc:title><dc:creator>Анна</dc:creator><dc:language>ru</dc:language><dc:publisher>Дом</dc:publisher>"
        '<dc:date opf:event="conversion">2022-01-01</dc:date><dc:date opf:event="publication">1911</dc:date>'
        "<dc:rights>https://creativecommons.org/publicdomain/zero/1.0/</dc:rights>"
    )
    pages = {"one.xhtml": f"<h1>Первая</h1><p>{LINE}</p>", "глава 2.xhtml": f"<p>{SECOND}</p><nav>меню</nav>"}
    item = read_one(make_epub(pages, meta=meta, order=["глава 2.xhtml", "one.xhtml"]), "a.epub")
    assert item.text == f"{SECOND}\n\nПервая\n\n{LINE}"
    assert (item.title, item.language, item.published, item.publisher, item.licence) == (
        "Чай",
        "ru",
        "1911",
        "Дом",
        "CC0-1.0",
    )
    assert item.metadata == {"author": "Анна"}


def test_epub_with_obfuscated_fonts_is_read_and_drm_refused(read_one: ReadOne, refused: Refused) -> None:
    def encryption(algorithm: str) -> dict[str, bytes]:
        return {"META-INF/encryption.xml": f'<e xmlns="x"><EncryptionMethod Algorithm="{algorithm}"/></e>'.encode()}

    pages = {"one.xhtml": f"<p>{LINE}</p>"}
    assert read_one(make_epub(pages, extra=encryption("http://www.idpf.org/2008/embedding")), "a.epub").text == LINE
    assert (
        refused(make_epub(pages, extra=encryption("http://www.w3.org/2001/04/xmlenc#aes128-cbc")), "a.epub")[0]
        == "encrypted"
    )


def test_epub_page_missing_from_the_archive_is_noted(read_one: ReadOne) -> None:
    data = make_epub({"one.xhtml": f"<p>{LINE}</p>", "two.xhtml": "<p>x</p>"})
    item = read_one(data.replace(b"OEBPS/two.xhtml", b"OEBPS/abc.xhtml"), "a.epub")
    assert item.text == LINE and item.changed == (("pages_missing", "1"),)


@pytest.mark.parametrize("encoding", ["utf-8", "windows-1251", "utf-16"])
def test_fb2(read_one: ReadOne, encoding: str) -> None:
    body = (
        f"<title><p>Чай</p><p>повесть</p></title><section><title><p>Глава первая</p></title><p>{LINE}</p><subtitle>* * *</subtitle>"
        "<poem><stanza><v>Раз</v><v>Два</v></stanza></poem><table><tr><td>год</td><td>1820</td></tr></table></section>"
    )
    info = (
        "<author><first-name>Анна</first-name><middle-name>П.</middle-name><last-name>Ли</last-name></author><book-title>Чай</book-title>"
        '<annotation><p>О чём эта книга.</p></annotation><lang>ru</lang><date value="1899-05-06">1899</date>'
    )
    data = make_fb2(
        body,
        title_info=info,
        publish_info="<publisher>Дом</publisher><year>1903</year>",
        encoding=encoding,
        notes="<section><p>Примечание</p></section>",
    )
    item = read_one(data, "a.fb2")
    assert (
        item.text
        == f"О чём эта книга.\n\nЧай\nповесть\n\nГлава первая\n\n{LINE}\n\n* * *\n\nРаз\nДва\n\nгод\t1820\n\nПримечание"
    )
    assert (item.title, item.language, item.published, item.publisher) == ("Чай", "ru", "1903", "Дом")
    assert item.metadata == {"author": "Анна П. Ли"} and item.changed == ()


def test_fb2_without_publication_takes_the_date_of_writing(read_one: ReadOne) -> None:
    data = make_fb2(f"<section><p>{LINE}</p></section>", title_info='<date value="1899-05-06">весна</date>')
    assert read_one(data, "a.fb2").published == "1899-05-06"


def test_fb2_with_a_wrong_declaration(read_one: ReadOne) -> None:
    data = make_fb2(f"<section><p>{LINE}</p></section>").decode().encode("cp1251")
    assert read_one(data, "a.fb2").text == LINE


def test_rtf(read_one: ReadOne) -> None:
    item = read_one(make_rtf([LINE, "Скобки {и} снег ☃"], title="Чай «с мёдом»", author="Анна"), "a.rtf")
    assert item.text == f"{LINE}\n\nСкобки {{и}} снег ☃"
    assert (item.title, item.published, item.metadata) == ("Чай «с мёдом»", "2019-05-07", {"author": "Анна"})


def test_doc(read_one: ReadOne) -> None:
    item = read_one(make_doc([LINE, "Второй абзац «с кавычками»."]), "Чай.doc")
    assert (item.title, item.text, item.language) == ("Чай", f"{LINE}\n\nВторой абзац «с кавычками».", "ru")


# --- PDF ------------------------------------------------------------------------------------------------------------------

PAGE = [
    "Самовар стоял на столе, и вся семья собиралась во-",
    "круг него каждый вечер. Чай пили с баранками, с ва-",
    "реньем.",
    "Потом расходились по комнатам, читали книги или пи-",
    "сали письма друзьям и родным, живущим далеко.",
]
PAGE_TEXT = (
    "Самовар стоял на столе, и вся семья собиралась вокруг него каждый вечер. Чай пили с баранками, с вареньем.\n\n"
    "Потом расходились по комнатам, читали книги или писали письма друзьям и родным, живущим далеко."
)


def test_pdf(read_one: ReadOne) -> None:
    item = read_one(make_pdf([PAGE], title="Чай ☕ вечером"), "a.pdf")
    assert (item.title, item.text, item.language) == ("Чай ☕ вечером", PAGE_TEXT, "ru")
    assert (item.published, item.metadata, item.changed) == ("2021-04-05", {"pages": "1"}, ())


def test_pdf_headers_and_page_numbers_are_dropped(read_one: ReadOne) -> None:
    pages = [
        [
            "Журнал «Быт», выпуск 5",
            *(f"Строка {word} рассказывает о чае и самоваре подробно." for word in words),
            str(number),
        ]
        for number, words in enumerate(
            (
                ("первая", "вторая"),
                ("третья", "иная"),
                ("пятая", "шестая"),
                ("седьмая", "восьмая"),
                ("девятая", "десятая"),
            ),
            7,
        )
    ]
    text = read_one(make_pdf(pages), "a.pdf").text
    assert "Журнал" not in text and "11" not in text
    assert all(word in text for word in ("первая", "шестая", "десятая"))


def test_pdf_without_unicode_table_is_read_in_its_legacy_encoding(read_one: ReadOne) -> None:
    item = read_one(make_pdf([PAGE], codec="cp1251"), "a.pdf")
    assert item.text == PAGE_TEXT
    assert item.changed == (("pdf_cp1251_layer", "cp1251 read as cp1252"),)


def test_pdf_whose_layer_looks_alike_is_refused(refused: Refused) -> None:
    shown = {
        "п": "n",
        "о": "o",
        "л": "JI",
        "а": "a",
        "в": "B",
        "е": "e",
        "и": "u",
        "к": "K",
        "м": "M",
        "н": "H",
        "р": "p",
        "с": "c",
        "т": "T",
        "у": "y",
    }
    shown |= {
        "б": "6",
        "г": "r",
        "д": "g",
        "ж": "X",
        "з": "3",
        "х": "x",
        "ч": "4",
        "ы": "bI",
        "ь": "b",
        "я": "R",
        "й": "N",
        "С": "C",
        "Ч": "4",
        "П": "TT",
    }
    assert refused(make_pdf([PAGE], shown=shown), "a.pdf") == ("broken_text_layer", "lookalike_letters")


def test_pdf_whose_layer_is_private_use_is_refused(refused: Refused) -> None:
    shown = {character: chr(0xF000 + ord(character) % 256) for line in PAGE for character in line if character != " "}
    reason, _ = refused(make_pdf([PAGE], shown=shown), "a.pdf")
    assert reason in ("broken_text_layer", "no_text_layer")


def test_pdf_without_text_is_refused(refused: Refused) -> None:
    assert refused(make_pdf([[], []]), "scan.pdf") == ("no_text_layer", "2")


def test_pdf_with_a_password_is_refused_and_with_an_empty_one_read(read_one: ReadOne, refused: Refused) -> None:
    assert refused(make_pdf([PAGE], password="тайна".encode("cp1251").decode("latin-1")), "a.pdf")[0] == "encrypted"
    assert read_one(make_pdf([PAGE], password=""), "a.pdf").text == PAGE_TEXT


# --- content against extension --------------------------------------------------------------------------------------------

WHOLE = {
    "pdf": make_pdf([PAGE]),
    "docx": make_docx(docx_paragraph(LINE)),
    "odt": make_odt(f"<text:p>{LINE}</text:p>"),
    "epub": make_epub({"a.xhtml": f"<p>{LINE}</p>"}),
    "fb2": make_fb2(f"<section><p>{LINE}</p></section>"),
    "rtf": make_rtf([LINE]),
    "html": f"<html><body><p>{LINE}</p></body></html>".encode(),
}


@pytest.mark.parametrize("kind", WHOLE)
@pytest.mark.parametrize("suffix", [".txt", ".doc", ".bin", ""])
def test_content_decides(read_one: ReadOne, kind: str, suffix: str) -> None:
    expected = PAGE_TEXT if kind == "pdf" else LINE
    assert read_one(WHOLE[kind], "file" + suffix).text == expected


@pytest.mark.parametrize("suffix", [".html", ".fb2", ".pdf", ".docx", ".zip", ".json2", ".log"])
def test_text_under_any_extension_is_text(read_one: ReadOne, suffix: str) -> None:
    if suffix == ".fb2":
        return  # not XML at all: refused as damaged, see the robustness tests
    assert read_one(LINE.encode(), "file" + suffix).text == LINE


@pytest.mark.parametrize(
    ("head", "label"),
    [
        (b"\x89PNG\r\n\x1a\n" + bytes(50), "PNG image"),
        (b"\xff\xd8\xff\xe0" + bytes(50), "JPEG image"),
        (b"ID3\x04" + bytes(range(256)), "MP3 audio"),
        (b"\x7fELF" + bytes(50), "program"),
        (b"7z\xbc\xaf\x27\x1c" + bytes(50), "7z archive"),
        (b"SQLite format 3\0" + bytes(50), "SQLite database"),
        (bytes(range(1, 32)) * 20, "binary data"),
        (b"\x01\x00\x02\x00\x03" * 40, "binary data"),
    ],
)
def test_what_is_not_text_is_named(refused: Refused, head: bytes, label: str) -> None:
    assert refused(head, "file.txt") == ("unsupported", label)


def test_words_that_begin_like_a_signature_are_text(read_one: ReadOne) -> None:
    assert (
        read_one(b"BM and MZ are letters that begin this perfectly ordinary English sentence.", "a.txt").language
        == "en"
    )


def test_too_little_and_too_much(refused: Refused) -> None:
    assert refused(b"", "a.txt") == ("empty", "0")
    assert refused(b"\xef\xbb\xbf \n\n", "a.txt")[0] == "empty"
    assert refused("Два слова.".encode(), "a.txt") == ("too_short", "8")
    assert refused(b"1234567890 " * 50, "a.txt") == ("too_short", "0")
    assert refused(LINE.encode(), "a.txt", max_text_chars=50) == ("too_long", str(len(LINE)))
    assert refused(LINE.encode(), "a.txt", max_file_bytes=50) == ("too_large", str(len(LINE.encode())))


def test_gzip_is_read_through_under_its_own_address(read_one: ReadOne) -> None:
    item = read_one(gzip.compress(HTML.encode()), "a.html.gz")
    assert (item.uri, item.text) == ("a.html.gz", HTML_TEXT)


def test_spreadsheets_and_presentations_are_named(refused: Refused) -> None:
    assert refused(make_zip({"xl/workbook.xml": b"<x/>"}), "a.xlsx") == ("unsupported", "spreadsheet")
    assert refused(make_zip({"ppt/presentation.xml": b"<x/>"}), "a.pptx") == ("unsupported", "presentation")
