"""Files that people drop onto the library page."""

from __future__ import annotations

import io
import zipfile

TEXT = "Председателем садового товарищества «Ромашка» избрана Клавдия Игнатьевна Берёзкина. Собрание прошло 12 мая 2019 года в сарае у пруда."
DOCX_TEXT = "Протокол второй: ключ от насосной хранится у сторожа Афанасия Кузьмича Лапотникова."


def make_docx(text: str) -> bytes:
    """Return a small Word document."""
    body = f"<w:p><w:r><w:t>{text}</w:t></w:r></w:p>"
    namespace = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
    document = (
        f'<?xml version="1.0" encoding="UTF-8"?><w:document xmlns:w="{namespace}"><w:body>{body}</w:body></w:document>'
    )
    types = (
        '<?xml version="1.0"?><Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"><Override PartName="/word/document.xml" '
        'ContentType="application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml"/></Types>'
    )
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("[Content_Types].xml", types)
        archive.writestr("word/document.xml", document)
    return packed.getvalue()


BROKEN_PDF = b"%PDF-1.7\n1 0 obj\n<< /Type /Catalog /Pages 2 0 R >>\nendobj\n" + b"\x00\xff garbage " * 200
