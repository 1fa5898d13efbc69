import codecs
import csv
import gzip
import io
import json
import re
import zipfile
from datetime import datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openpyxl import Workbook, load_workbook

from model.errors import BatchError
from service.tables.formats import open_reader, open_writer
from service.tables.labels import RowLabels, added_columns
from service.tables.records import Rejected, Row
from service.tables.sheets import SheetWriter
from service.tables.sources import format_of, open_source

LABELS = RowLabels("P1", "Telco", "CR desk", "other", "0.9000", True, "model", "v1", "unsure-owner")


def read(path, **options):
    with open_source(path, options.pop("file_format", None), options.pop("encoding", None)) as source:
        reader = open_reader(source, **options)
        return reader.header, list(reader.rows()), source


def copy(path, target, labels=LABELS, **options):
    """Write every row of a file with the same labels, as the batch run does."""
    with open_source(path) as source:
        reader = open_reader(source, **options)
        writer = open_writer(format_of(target.name)[0], source, reader, added_columns(reader.header))
        rows = [row for row in reader.rows() if isinstance(row, Row)]
        data = writer.begin()
        if rows:
            data += writer.rows(rows, [labels] * len(rows), first=True)
        target.write_bytes(data + writer.end(empty=not rows))
        if isinstance(writer, SheetWriter):
            labels_file = target.rename(target.with_suffix(".labels"))
            writer.save(labels_file, reader, target)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "cp1252", "utf-32"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("ending", ["\n", "\r\n"])
def test_delimited_files_are_found_out_and_stay_byte_for_byte(tmp_path, encoding, delimiter, ending):
    lines = ["Id|Subject|Labels|Labels", '007|"Café\nné – down"|a, b|"c;d"', '12345678901234567890|"say ""hi"""|| ']
    text = "".join(line.replace("|", delimiter) + ending for line in lines)
    path, target = tmp_path / "in.csv", tmp_path / "out.csv"
    path.write_bytes(text.encode(encoding))
    if delimiter in ",;":
        text = text.replace(f"a, b{delimiter}", f'"a, b"{delimiter}') if delimiter == "," else text
        path.write_bytes(text.encode(encoding))
    header, rows, source = read(path)
    assert header == ("Id", "Subject", "Labels", "Labels")
    assert [row.cells for row in rows] == [
        ("007", "Café\nné – down", "a, b", "c;d"),
        ("12345678901234567890", 'say "hi"', "", " "),
    ]
    copy(path, target)
    ours = delimiter.join(["P1", "Telco", "CR desk", "other", "0.9000", "true", "model", "v1", "unsure-owner"])
    written = target.read_bytes()
    assert written.startswith(source.encoding.bom)
    decoded = written[len(source.encoding.bom) :].decode(source.encoding.name)
    stripped = decoded.replace(delimiter + ours, "").replace(delimiter + delimiter.join(RowLabels._fields), "")
    assert stripped.encode(encoding).removeprefix(codecs.BOM_UTF8) == path.read_bytes().removeprefix(codecs.BOM_UTF8)
    assert decoded.count(ours) == 2


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        ("номер,тема\n1,Звонки не поступают агентам с утра, портал недоступен\n", "cp1251"),
        ("編号,件名\n1,電話がつながらない。エージェントポータルが停止しています\n", "cp932"),
        ("id,subject\n1,caf\xe9\n", "cp1252"),
        ("id,subject\n" + "1,plain words\n" * 9_000 + "2,d\xe9j\xe0 vu \u2013 co\xfbt\n", "cp1252"),
    ],
)
def test_legacy_encodings_are_guessed(tmp_path, text, encoding):
    path = tmp_path / "in.csv"
    path.write_bytes(text.encode(encoding))
    assert read(path)[2].encoding.name == encoding


@pytest.mark.parametrize(
    ("data", "encoding"),
    [
        (b"\xef\xbb\xbfid,subject\n1,caf\xe9\n", None),
        (b"id,subject\n1,\x81\x8d caf\xe9\n", "cp1252"),
        (b"id,subject\n1,caf\xe9 \xff\xfe\n", "utf-8"),
        (codecs.BOM_UTF16_LE + "id,subject\n1,a\ud800b\n".encode("utf-16-le", "surrogatepass"), None),
        (b"id,subject\n1,\x00a\x00\n", None),
    ],
)
def test_undecodable_bytes_come_back_as_they_were(tmp_path, data, encoding):
    path = tmp_path / "in.csv"
    path.write_bytes(data)
    with open_source(path, encoding=encoding) as source:
        reader = open_reader(source)
        writer = open_writer("csv", source, reader, ["x"])
        rows = list(reader.rows())
        written = writer.begin() + writer.rows(rows, [LABELS], first=True)
    ours = next(line for line in [LABELS.cells()] if line)
    for added in (["x"], ours):
        written = written.replace(source.encoding.encode("," + ",".join(added)), b"")
    assert written == data


def test_an_odd_byte_at_the_end_of_utf_16_loses_no_row(tmp_path):
    path = tmp_path / "in.csv"
    path.write_bytes(codecs.BOM_UTF16_LE + "id,subject\n1,a\n2,b".encode("utf-16-le") + b"\x00")
    assert [row.cells[0] for row in read(path)[1]] == ["1", "2"]


@pytest.mark.parametrize(
    ("lines", "good", "bad"),
    [
        (["1,a", "2", "3,b"], ["1", "3"], {3: "1 cells where the header has 2"}),
        (["1,a,x", "2,b"], ["2"], {2: "3 cells where the header has 2"}),
        (['1,"a', "2,b", '3,"c"'], ["2", "3"], {2: "stray quote"}),
        (["1,a", '2,"b'], ["1"], {3: "stray quote"}),
        (['1,"a" b', "2,c"], ["1", "2"], {}),
        (['1,say "a"', "2,c"], ["1", "2"], {}),
        (["1,a", "", "2,b", ""], ["1", "2"], {}),
        (['1,"a\n\nb"', "2", '3,"c\nd"'], ["1", "3"], {5: "1 cells"}),
        (["1," + "x" * 300_000, "2,b"], ["1", "2"], {}),
    ],
)
@pytest.mark.parametrize("hint", ["", "sep=,\n"])
def test_malformed_lines_are_told_and_do_not_swallow_others(tmp_path, lines, good, bad, hint):
    path = tmp_path / "in.csv"
    path.write_text(hint + "id,subject\n" + "\n".join(lines), newline="")
    rows = read(path)[1]
    assert [row.cells[0] for row in rows if isinstance(row, Row)] == good
    found = {row.number - bool(hint): row for row in rows if isinstance(row, Rejected)}
    assert found.keys() == bad.keys()
    for number, reason in bad.items():
        assert reason in found[number].reason
        assert found[number].raw.strip() in path.read_text()


def test_a_quote_that_is_never_closed_is_given_up_after_a_while(tmp_path):
    path = tmp_path / "in.csv"
    line = "1," + "x" * 997 + "\n"
    path.write_text('id,subject\n0,"open\n' + line * 17_000)
    rows = read(path)[1]
    assert isinstance(rows[0], Rejected)
    assert "not closed within" in rows[0].reason
    assert sum(isinstance(row, Row) for row in rows) == 17_000


def test_excels_hint_of_the_delimiter_is_heeded_and_kept(tmp_path):
    path, target = tmp_path / "in.csv", tmp_path / "out.csv"
    path.write_text("sep=;\r\nid;subject\r\n1;a,b\r\n", newline="")
    copy(path, target)
    assert target.read_bytes().startswith(b"sep=;\r\nid;subject;severity")
    assert read(target)[1][0].cells[:3] == ("1", "a,b", "P1")


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.csv", b"", "empty"),
        ("a.csv", b"\xef\xbb\xbf", "empty"),
        ("a.csv", b"\n1,2\n", "blank"),
        ("a.csv", b'"id,subject\n1,2\n', "header"),
        ("a.json", b"", "empty"),
        ("a.json", b'{"tickets": []', "neither an array"),
        ("a.json", b'[{"a": 1}, {"a": 2]', "line 1"),
        ("a.json", b'[{"a": 1},\n{"a": "x}', "line 2"),
        ("a.json", b'[{"a": 1}\n{"a": 2}]', "line 2"),
        ("a.json", b'[{"a": 1}] x', "behind"),
        ("a.xlsx", b"id,subject\n", "not an XLSX"),
        ("a.xlsx", b"PK\x03\x04broken", "cannot be read"),
        ("a.xls", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "old .xls"),
        ("a.csv.gz", gzip.compress(b"id,subject\n1,2\n")[:-9], "gzip"),
    ],
)
def test_what_cannot_be_read_is_a_clear_error(tmp_path, name, content, message):
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(BatchError, match=message):
        read(path)


def test_a_header_alone_is_a_table_without_rows(tmp_path):
    path, target = tmp_path / "in.csv", tmp_path / "out.csv"
    path.write_bytes(b"id,subject")
    copy(path, target)
    assert target.read_bytes() == b"id,subject," + ",".join(RowLabels._fields).encode() + b"\n"


ARRAY = (
    '[{"id": 1.10, "big": 12345678901234567890123, "subject": "a\\u00e9\\ud800", "n": null, "id": 2},\n'
    '  {\n    "subject": "x", "tags": [1, {"k": 1e5}]\n  },{}]'
)


def test_json_objects_stay_as_they_were_written(tmp_path):
    path, target = tmp_path / "in.json", tmp_path / "out.json"
    path.write_text(ARRAY)
    header, rows, _ = read(path)
    assert header == ("id", "big", "subject", "n", "tags")
    assert [row.number for row in rows] == [1, 2, 4]
    copy(path, target)
    text = target.read_text()
    assert (
        '{"id": 1.10, "big": 12345678901234567890123, "subject": "a\\u00e9\\ud800", "n": null, "id": 2, "severity"'
        in text
    )
    assert '[1, {"k": 1e5}], "severity": "P1"' in text
    written = json.loads(text)
    assert [ticket["severity"] for ticket in written] == ["P1"] * 3
    assert written[2] == {**LABELS._asdict(), "confidence": 0.9}


def test_json_lines_of_an_array_stand_on_one_line_each(tmp_path):
    path, target = tmp_path / "in.json", tmp_path / "out.jsonl"
    path.write_text(ARRAY)
    copy(path, target)
    lines = target.read_text().splitlines()
    assert [json.loads(line).get("subject") for line in lines] == ["aé\ud800", "x", None]
    assert "1.10" in lines[0]


def test_json_lines_report_what_is_no_object(tmp_path):
    path = tmp_path / "in.jsonl"
    path.write_text('{"subject": "a"}\n\nnonsense\n[1]\n{"subject": "b"}\n' + "[" * 100_000 + "\n")
    rows = read(path)[1]
    assert [(row.number, isinstance(row, Rejected)) for row in rows] == [
        (1, False),
        (3, True),
        (4, True),
        (5, False),
        (6, True),
    ]


def test_json_is_read_across_blocks(tmp_path):
    path = tmp_path / "in.json"
    tickets = [{"subject": "x" * n, "n": n} for n in (10, 300_000, 700_000, 5, 262_140, 262_141, 262_142)]
    path.write_text(json.dumps(tickets, indent=1))
    assert [row.cells[0] for row in read(path)[1]] == [ticket["subject"] for ticket in tickets]


@pytest.mark.parametrize("name", ["in.json", "in"])
def test_json_lines_are_recognised_under_another_name(tmp_path, name):
    path = tmp_path / name
    path.write_text('{"subject": "a"}\n{"subject": "b"}\n')
    assert [row.cells for row in read(path)[1]] == [("a",), ("b",)]


def test_numbers_of_json_stay_as_they_were_written_in_csv(tmp_path):
    path, target = tmp_path / "in.json", tmp_path / "out.csv"
    path.write_text('[{"subject": "a", "n": 1.10, "t": [1.50], "b": true, "z": null}]')
    copy(path, target)
    row = next(csv.DictReader(io.StringIO(target.read_text(), newline="")))
    assert (row["n"], row["t"], row["b"], row["z"]) == ("1.10", "[1.50]", "true", "")


def workbook(path):
    book = Workbook()
    sheet = book.active
    sheet.title = "Export"
    sheet.append(["Id", "Subject", "Created", "Hours", "Sum", None, "Open"])
    sheet.append(["007", "PRI down", datetime(2025, 3, 5, 10, 12), 1.5, "=D2*2", "note", True])
    sheet.append([])
    sheet.append([12345678901, "a_x000D_b <&> \n", None, None, "#N/A"])
    sheet["C2"].number_format = "dd mmm yyyy hh:mm"
    sheet["B4"].data_type = "s"
    book.create_sheet("Second").append(["Body"])
    book.save(path)
    return path


def test_cells_of_a_workbook_keep_values_types_and_formats(tmp_path):
    path, target = workbook(tmp_path / "in.xlsx"), tmp_path / "out.xlsx"
    copy(path, target)
    sheet = load_workbook(target)["Export"]
    before = load_workbook(path)["Export"]
    for row in range(1, 5):
        for column in range(1, 8):
            old, new = before.cell(row, column), sheet.cell(row, column)
            assert (new.value, new.data_type, new.number_format) == (old.value, old.data_type, old.number_format)
    assert [cell.value for cell in sheet[2]][7:] == [
        "P1",
        "Telco",
        "CR desk",
        "other",
        0.9,
        True,
        "model",
        "v1",
        "unsure-owner",
    ]
    assert [cell.value for cell in sheet[1]][7:9] == ["severity", "owner"]


def test_another_sheet_is_read_by_name(tmp_path):
    path = workbook(tmp_path / "in.xlsx")
    assert read(path, sheet="Second")[0] == ("Body",)
    with pytest.raises(BatchError, match="there are Export, Second"):
        read(path, sheet="Third")


def test_values_of_a_workbook_become_json(tmp_path):
    path, target = workbook(tmp_path / "in.xlsx"), tmp_path / "out.jsonl"
    copy(path, target)
    first = json.loads(target.read_text().splitlines()[0])
    assert (first["Id"], first["Created"], first["Hours"], first["Open"]) == ("007", "2025-03-05 10:12:00", 1.5, True)


def test_text_of_a_csv_is_text_in_a_workbook(tmp_path):
    path, target = tmp_path / "in.csv", tmp_path / "out.xlsx"
    cells = ["007", "=1+1", "#N/A", "_x0041_", "a\rb\x01", " x ", "￾", "12345678901234567890"]
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([[f"c{n}" for n in range(len(cells))], cells])
    copy(path, target)
    row = load_workbook(target).active[2]
    assert {cell.data_type for cell in row[: len(cells)]} == {"s"}
    assert read(target)[1][0].cells[: len(cells)] == tuple(cells)


def test_formats_are_found_in_names():
    assert format_of("a.b.csv.gz") == ("csv", True)
    assert format_of("a.ndjson") == ("jsonl", False)
    assert format_of("tickets") == (None, False)


def test_labels_that_an_encoding_has_no_letters_for_are_written_in_utf_8(tmp_path):
    path = tmp_path / "in.csv"
    path.write_bytes("id,subject\n1,café\n".encode("cp1252"))
    with open_source(path) as source:
        reader = open_reader(source)
        writer = open_writer("csv", source, reader, ["x"], labels=["キュー"])
        data = writer.begin() + writer.rows(list(reader.rows()), [LABELS._replace(queue="キュー")], first=True)
    assert "café,P1,Telco,キュー" in data.decode("utf-8")


def test_labels_do_not_run_as_formulas(tmp_path):
    path, target = tmp_path / "in.csv", tmp_path / "out.csv"
    path.write_text("id,subject\n1,=2+2\n")
    copy(path, target, LABELS._replace(queue="=cmd()", owner="@x"))
    assert target.read_text().splitlines()[1].startswith("1,=2+2,P1,'@x,'=cmd(),other")


def test_repeated_headers_are_numbered_as_keys(tmp_path):
    path, target = tmp_path / "in.csv", tmp_path / "out.jsonl"
    path.write_text("Labels,Labels,subject\na,b,c\n")
    copy(path, target)
    assert target.read_text().startswith('{"Labels": "a", "Labels (2)": "b", "subject": "c", "severity": "P1"')


def test_given_delimiter_and_encoding_win(tmp_path):
    path = tmp_path / "in.csv"
    path.write_bytes("a,b;c\né,1;2\n".encode("cp1250"))
    header, rows, _ = read(path, delimiter=";", encoding="cp1250")
    assert (header, rows[0].cells) == (("a,b", "c"), ("é,1", "2"))
    with pytest.raises(BatchError, match="encoding"):
        read(path, encoding="klingon")
    with pytest.raises(BatchError, match="encoding"):
        read(path, encoding="base64")
    with pytest.raises(BatchError, match="delimiter"):
        read(path, delimiter=";;")


TABLES = st.integers(1, 4).flatmap(
    lambda width: st.lists(st.lists(st.text(max_size=30), min_size=width, max_size=width), min_size=1, max_size=6)
)


@settings(max_examples=150)
@given(table=TABLES, delimiter=st.sampled_from(",;\t|"), ending=st.sampled_from(["\n", "\r\n"]))
def test_any_table_of_text_survives_as_csv(tmp_path_factory, table, delimiter, ending):
    folder = tmp_path_factory.mktemp("any")
    path, target = folder / "in.csv", folder / "out.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, delimiter=delimiter, lineterminator=ending, quoting=csv.QUOTE_ALL)
        writer.writerows([["subject", *(f"c{n}" for n in range(len(table[0]) - 1))], *table])
    copy(path, target, delimiter=delimiter)
    with target.open(encoding="utf-8", newline="") as file:
        written = list(csv.reader(file, delimiter=delimiter))
    assert [row[: len(table[0])] for row in written[1:]] == table
    assert {tuple(row[len(table[0]) :]) for row in written[1:]} == {LABELS.cells()}


@settings(max_examples=60)
@given(table=TABLES, names=st.permutations(["a.tsv", "b.jsonl", "c.json", "d.xlsx", "e.csv"]))
def test_any_table_of_text_survives_every_other_format(tmp_path_factory, table, names):
    folder = tmp_path_factory.mktemp("any")
    path = folder / "start.jsonl"
    keys = ["subject", *(f"c{n}" for n in range(len(table[0]) - 1))]
    path.write_text("".join(json.dumps(dict(zip(keys, row, strict=True))) + "\n" for row in table))
    for name in names:
        copy(path, folder / name)
        path = folder / name
    _, rows, _ = read(path)
    assert [[cell or "" for cell in row.cells[: len(keys)]] for row in rows] == table


def test_blank_rows_within_a_sheet_are_kept_and_those_after_the_last_are_not(tmp_path):
    book = Workbook()
    for row in (["Id", "Subject"], [1, "dialer"], [None, None], [2, "IVR"]):
        book.active.append(row)
    book.active["B6"].number_format = "0.00"  # formatted, but blank
    path, target = tmp_path / "in.xlsx", tmp_path / "out.xlsx"
    book.save(path)
    _, rows, _ = read(path)
    assert [(row.number, row.cells) for row in rows] == [(2, (1, "dialer")), (3, (None, None)), (4, (2, "IVR"))]
    copy(path, target)
    assert [row.cells[:2] for row in read(target)[1]] == [row.cells for row in rows]


def share_strings(path, target):
    """Write a workbook again as Excel does: texts in one table, cells with their numbers."""
    strings = []

    def shared(match):
        strings.append(match[2])
        return f'<c r="{match[1]}" t="s"><v>{len(strings) - 1}</v></c>'

    with zipfile.ZipFile(path) as old, zipfile.ZipFile(target, "w") as new:
        parts = {name: old.read(name).decode() for name in old.namelist()}
        sheet = re.sub(r'<c r="(\w+)" t="inlineStr"><is>(.*?)</is></c>', shared, parts["xl/worksheets/sheet1.xml"])
        parts["xl/worksheets/sheet1.xml"] = sheet
        items = "".join(f"<si>{string}</si>" for string in strings)
        namespace = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
        parts["xl/sharedStrings.xml"] = f'<sst xmlns="{namespace}">{items}</sst>'
        kind = "application/vnd.openxmlformats-officedocument.spreadsheetml.sharedStrings+xml"
        override = f'<Override PartName="/xl/sharedStrings.xml" ContentType="{kind}"/></Types>'
        if "sharedStrings" not in parts["[Content_Types].xml"]:
            parts["[Content_Types].xml"] = parts["[Content_Types].xml"].replace("</Types>", override)
        for name, text in parts.items():
            new.writestr(name, text)
    return len(strings)


def test_shared_strings_of_excel_are_read_as_they_were_written(tmp_path):
    book = Workbook()
    book.active.append(["Id", "Subject"])
    book.active.append(["=x", "a_x005F_x0041_ b_x0041_ é"])
    book.active["A2"].data_type = "s"
    plain, path, target = tmp_path / "plain.xlsx", tmp_path / "in.xlsx", tmp_path / "out.xlsx"
    book.save(plain)
    assert share_strings(plain, path) == 4
    assert read(path)[1][0].cells == ("=x", "a_x0041_ bA é")
    copy(path, target)
    assert read(target)[1][0].cells[:2] == ("=x", "a_x0041_ bA é")
