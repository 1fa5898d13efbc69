"""Rows per second and peak memory of labelling a file, against the model's pipelines over a pandas frame.

Generates tickets of realistic lengths, labels them with `service.batch.label_file`, and then, in one process, reads the
same file with pandas, cleans the texts and calls the scikit-learn pipelines of the model one label after the other.
Each runs in a process of its own, so that the peaks of memory are its own. The rows that the second one labels can be
fewer (`--baseline-rows`): its speed does not depend on their number, its memory does.

    python benchmarks/batch_throughput.py --rows 1000000
"""

from __future__ import annotations

import argparse
import csv
import json
import multiprocessing
import random
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import psutil

from model.text import clean
from service.batch import BatchOptions, label_file
from service.live import open_router
from service.settings import Settings

LENGTHS = (60, 120, 250, 450, 700, 1_200, 2_500)  # characters of a ticket, and how often they come
WEIGHTS = (10, 20, 30, 20, 10, 7, 3)
LABELS = ("severity", "owner", "queue", "destination")  # the last one names the issue type
HISTORY = (
    "\n\nRegards,\nAsha\n\nOn Mon, 3 Mar 2025 at 10:12, Support <support@example.com> wrote:\n> We are looking into it."
)


def generate(path: Path, rows: int, examples: Path) -> None:
    """Write tickets made of the sentences of the examples: no two alike, one in five with a thread below."""
    texts: list[str] = pd.read_csv(examples, usecols=["text"], dtype=str, keep_default_na=False)["text"].tolist()
    pick = random.Random(7)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["Ticket ID", "Subject", "Description", "Status", "Priority", "Created time"])
        for n in range(rows):
            length = pick.choices(LENGTHS, WEIGHTS)[0]
            body = pick.choice(texts)
            while len(body) < length:
                body += "\n" + pick.choice(texts)
            body = body[: length + pick.randrange(40)] + f" ref {n}" + HISTORY * (pick.random() < 0.2)
            subject = pick.choice(texts)[:60]
            writer.writerow([f"{n:08}", subject, body, "Open", "High", "2025-03-05 10:12:00"])


def run_label_file(path: Path, jobs: int | None) -> dict[str, Any]:
    """Label the file as the command does."""
    router = open_router(Settings.from_env())
    if router.model is None:
        raise SystemExit("there is no model; train one first")
    summary = label_file(path, path.with_suffix(".labelled.csv"), router, BatchOptions(jobs=jobs))
    return {"rows": summary.rows, "seconds": summary.seconds}


def run_pipelines(path: Path, rows: int) -> dict[str, Any]:
    """Call one pipeline a label over a frame, and write the frame."""
    model = open_router(Settings.from_env()).model
    if model is None:
        raise SystemExit("there is no model; train one first")
    started = time.monotonic()
    frame = pd.read_csv(path, dtype=str, keep_default_na=False, nrows=rows)
    texts = [clean(text).text for text in frame["Subject"] + "\n" + frame["Description"]]
    pipelines = model.classifier.pipelines
    for label in LABELS:
        pipeline = pipelines[label]
        probabilities = pipeline.predict_proba(texts)
        frame[label] = pipeline.classes_[probabilities.argmax(axis=1)]
        frame[f"{label}_confidence"] = probabilities.max(axis=1)
    frame.to_csv(path.with_suffix(".frame.csv"), index=False)
    return {"rows": len(frame), "seconds": time.monotonic() - started}


def measured(run: Callable[..., dict[str, Any]], *arguments: Any) -> dict[str, Any]:
    """Run in a process of its own and watch the memory of it and its children."""
    context = multiprocessing.get_context("spawn")
    with tempfile.TemporaryDirectory() as folder:
        answer = Path(folder, "answer.json")
        process = context.Process(target=_answer, args=(run, arguments, answer))
        process.start()
        peak = {"total": 0, "one": 0, "cpu": 0.0}
        watch = threading.Thread(target=_watch, args=(process.pid, process.is_alive, peak))
        watch.start()
        process.join()
        watch.join()
        if process.exitcode:
            raise SystemExit(process.exitcode)
        return json.loads(answer.read_text()) | {"peak": peak["total"], "peak_of_one": peak["one"], "cpu": peak["cpu"]}


def _answer(run: Callable[..., dict[str, Any]], arguments: tuple[Any, ...], answer: Path) -> None:
    answer.write_text(json.dumps(run(*arguments)))


def _watch(pid: int, is_alive: Callable[[], bool], peak: dict[str, float]) -> None:
    root = psutil.Process(pid)
    cpu: dict[int, float] = {}
    while is_alive():
        try:
            processes = (root, *root.children(recursive=True))
            sizes = [process.memory_full_info().pss for process in processes]  # what is shared counts once in the sum
            cpu |= {process.pid: sum(process.cpu_times()[:2]) for process in processes}
        except psutil.NoSuchProcess:
            continue
        peak["total"], peak["one"] = max(peak["total"], sum(sizes)), max(peak["one"], *sizes)
        peak["cpu"] = sum(cpu.values())
        time.sleep(0.5)


def main() -> None:
    """Measure both and print the ratio."""
    parser = argparse.ArgumentParser(description="Rows per second of labelling a file.")
    parser.add_argument("--rows", type=int, default=1_000_000, help="tickets to generate")
    parser.add_argument("--baseline-rows", type=int, help="rows for the pipelines over a frame; all by default")
    parser.add_argument("--jobs", type=int, help="processes; one a core by default")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="batch-throughput-") as folder:
        path = Path(folder, "tickets.csv")
        generate(path, options.rows, Settings.from_env().examples)
        mean = path.stat().st_size / options.rows
        print(
            f"{options.rows:,} tickets, {path.stat().st_size / 2**20:,.0f} MiB, {mean:,.0f} bytes a ticket", flush=True
        )
        ours = measured(run_label_file, path, options.jobs)
        _show("label_file", ours)
        theirs = measured(run_pipelines, path, options.baseline_rows or options.rows)
        _show("pipelines over a frame", theirs)
    ratio = (ours["rows"] / ours["seconds"]) / (theirs["rows"] / theirs["seconds"])
    print(f"label_file is {ratio:.2f} times as fast as the pipelines over a frame")


def _show(name: str, run: dict[str, Any]) -> None:
    speed, peak, largest = run["rows"] / run["seconds"], run["peak"] / 2**20, run["peak_of_one"] / 2**20
    print(
        f"{name}: {run['rows']:,} rows in {run['seconds']:,.1f} s, {speed:,.0f} rows/s, peak {peak:,.0f} MiB in all"
        f" processes, {largest:,.0f} MiB in the largest, {run['cpu']:,.0f} s of processor time",
        flush=True,
    )


if __name__ == "__main__":
    main()
