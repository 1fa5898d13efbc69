"""Model versions on disk: save, verify, load, promote, roll back.

::

    models/
    ├── champion.json             which version serves, and which served before; replaced in one step
    ├── .lock                     held while the champion changes
    └── versions/<version>/       immutable once it is there
        ├── model.joblib          scikit-learn objects
        ├── manifest.json         digest, library versions, labels, policy, metrics
        └── out_of_group.csv      what the version says of texts by authors whom it had not read (no text, digests)
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import pickle
import platform
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import joblib
import numpy
import pandas as pd
import scipy
import sklearn
from filelock import FileLock, Timeout

from model.classifier import Classifier
from model.errors import (
    ModelCorruptError,
    ModelError,
    ModelIncompatibleError,
    ModelMissingError,
    RegistryError,
)
from model.matrix import Matrix
from model.policy import Calibrator, Policy
from model.text import clean
from model.trained import TrainedModel

_FORMAT = 1
_LOCK_SECONDS = 30.0
_KEPT_HISTORY = 20
_HALF_WRITTEN = ".writing-"  # only while the lock is held
# What unpickling raises when the digest is right but the content is not for these libraries.
_UNLOADABLE = (
    pickle.UnpicklingError,
    ValueError,
    KeyError,
    TypeError,
    AttributeError,
    ImportError,
    EOFError,
)


@dataclass(frozen=True, slots=True)
class Champion:
    """Which version serves.

    Attributes
    ----------
    version : str
    promoted_at : str
        ISO 8601 instant.
    previous : tuple of str
        Versions that served before, latest first.
    """

    version: str
    promoted_at: str
    previous: tuple[str, ...] = ()


class Registry:
    """The folder of model versions.

    Parameters
    ----------
    folder : Path
        Created when something is saved.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    # --- reading ---------------------------------------------------------------------------------------------------

    def versions(self) -> list[str]:
        """Return the names of the versions, oldest first."""
        return sorted(path.parent.name for path in self.folder.glob("versions/[!.]*/manifest.json"))

    def manifest(self, version: str) -> dict[str, Any]:
        """Return the manifest of a version.

        Raises
        ------
        RegistryError
            When there is no such version.
        ModelCorruptError
            When its manifest cannot be read.
        """
        path = self._path(version) / "manifest.json"
        try:
            manifest = json.loads(path.read_text("utf-8"))
        except FileNotFoundError:
            known = ", ".join(self.versions()) or "none"
            raise RegistryError(f"no version {version!r}; there are: {known}") from None
        except (OSError, ValueError) as error:
            raise ModelCorruptError(f"version {version}: the manifest cannot be read: {error}") from error
        if not isinstance(manifest, dict) or manifest.get("format") != _FORMAT:
            raise ModelIncompatibleError(f"version {version}: its manifest is not of format {_FORMAT}")
        return manifest

    def champion(self) -> Champion | None:
        """Return which version serves, `None` when none was promoted.

        Raises
        ------
        ModelCorruptError
            When the pointer cannot be read.
        """
        try:
            read = json.loads((self.folder / "champion.json").read_text("utf-8"))
            return Champion(str(read["version"]), str(read["promoted_at"]), tuple(map(str, read["previous"])))
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ModelCorruptError(f"champion.json cannot be read: {error}") from error

    def load_champion(self, matrix: Matrix) -> TrainedModel:
        """Load the version that serves; see `load`.

        Raises
        ------
        ModelMissingError
            When none was promoted.
        """
        champion = self.champion()
        if champion is None:
            raise ModelMissingError("no model was promoted yet; train one")
        return self.load(champion.version, matrix)

    def load(self, version: str, matrix: Matrix) -> TrainedModel:
        """Load a version, but only if it is the one that its manifest describes.

        Parameters
        ----------
        version : str
        matrix : Matrix
            The matrix that the model is to decide by.

        Raises
        ------
        RegistryError
            When there is no such version.
        ModelMissingError
            When its artefact is gone.
        ModelCorruptError
            When the artefact's digest differs or it cannot be read.
        ModelIncompatibleError
            When it was made by another scikit-learn or for another matrix.
        """
        manifest = self.manifest(version)
        try:
            _check_compatible(version, manifest, matrix)
            sha256 = str(manifest["artefact"]["sha256"])
        except (KeyError, TypeError, AttributeError) as error:
            raise ModelCorruptError(f"version {version}: the manifest is not whole: {error!r}") from error
        try:
            content = (self._path(version) / "model.joblib").read_bytes()
        except OSError as error:
            raise ModelMissingError(f"version {version}: the artefact cannot be read: {error.strerror}") from error
        if hashlib.sha256(content).hexdigest() != sha256:
            raise ModelCorruptError(f"version {version}: the artefact is not the one that was saved (digest differs)")
        try:
            classifier: Classifier = joblib.load(io.BytesIO(content))
            model = TrainedModel(classifier, _policy(manifest["policy"]), matrix, version)
            model.read([clean("Agents cannot log in")])  # makes what is made at first use: no request waits, or fails
        except _UNLOADABLE as error:
            raise ModelCorruptError(f"version {version}: the artefact cannot be loaded: {error}") from error
        return model

    def out_of_group(self, version: str) -> pd.DataFrame:
        """Return what a version says of texts by authors whom it had not read, indexed by digest."""
        path = self._path(version) / "out_of_group.csv"
        try:
            return pd.read_csv(path, dtype=str, keep_default_na=False, index_col="digest")
        except (OSError, ValueError) as error:
            raise ModelCorruptError(f"version {version}: out_of_group.csv cannot be read: {error}") from error

    # --- writing ---------------------------------------------------------------------------------------------------

    def save(
        self,
        model: TrainedModel,
        *,
        created_at: datetime,
        data: Mapping[str, Any],
        metrics: Mapping[str, Any],
        out_of_group: pd.DataFrame,
    ) -> str:
        """Write a new version; it appears whole or not at all.

        Parameters
        ----------
        model : TrainedModel
        created_at : datetime
            Becomes part of the version's name.
        data : mapping
            What it was trained on: digest and counts.
        metrics : mapping
            How it does out of group.
        out_of_group : pandas.DataFrame
            Its decisions on texts of unread authors, with a column `digest`.

        Returns
        -------
        str
            Name of the version.

        Raises
        ------
        RegistryError
            When it cannot be written; nothing half-written stays.
        """
        buffer = io.BytesIO()
        joblib.dump(model.classifier, buffer, compress=3)
        content = buffer.getvalue()
        sha256 = hashlib.sha256(content).hexdigest()
        version = f"{created_at:%Y%m%dT%H%M%S}-{sha256[:8]}"
        manifest = {
            "format": _FORMAT,
            "version": version,
            "created_at": created_at.isoformat(timespec="seconds"),
            "libraries": _libraries(),
            "matrix_sha256": model.matrix.digest,
            "labels": {label: list(values) for label, values in model.composition.values.items()},
            "data": dict(data),
            "metrics": dict(metrics),
            "policy": asdict(model.policy),
            "artefact": {"file": "model.joblib", "sha256": sha256, "bytes": len(content)},
            "promotions": [],
        }
        files = {
            "model.joblib": content,
            "manifest.json": json.dumps(manifest, indent=2).encode(),
            "out_of_group.csv": out_of_group.to_csv(index=False).encode(),
        }
        with self._locked():
            self._write_version(version, files)
        return version

    def promote(
        self,
        version: str,
        *,
        promoted_at: datetime,
        forced_despite: list[str] | None = None,
        instead_of: str | None = None,
    ) -> Champion:
        """Make a version the champion in one atomic step.

        Whether it deserves it is the gate's business (`model.gate`); this only refuses what does not exist.

        Parameters
        ----------
        version : str
        promoted_at : datetime
        forced_despite : list of str, optional
            The gate's reasons against it, which the manifest then remembers.
        instead_of : str, optional
            The champion that it was compared with, `""` for none.

        Raises
        ------
        RegistryError
            When there is no such version, nothing can be written, or another champion than `instead_of` serves by now.
        """
        with self._locked():
            manifest = self.manifest(version)
            before = self.champion_or_none()
            if instead_of is not None and instead_of != (before.version if before else ""):
                serves = before.version if before else "none"
                raise RegistryError(
                    f"version {version} was compared with {instead_of or 'no champion'}, now {serves} serves"
                )
            previous = (before.version, *before.previous) if before else ()
            champion = Champion(
                version, promoted_at.isoformat(), tuple(v for v in previous if v != version)[:_KEPT_HISTORY]
            )
            manifest["promotions"].append({"at": champion.promoted_at, "forced_despite": forced_despite or []})
            self._replace(self._path(version) / "manifest.json", json.dumps(manifest, indent=2))
            self._replace(self.folder / "champion.json", json.dumps(asdict(champion), indent=2))
        return champion

    def rollback(self, *, promoted_at: datetime) -> Champion:
        """Make the version that served before the champion again.

        Raises
        ------
        RegistryError
            When no earlier version is left.
        """
        with self._locked():
            champion = self.champion()
            known = set(self.versions())
            earlier = [v for v in champion.previous if v in known] if champion else []
            if not earlier:
                raise RegistryError("there is no earlier version to roll back to")
            back = Champion(earlier[0], promoted_at.isoformat(), tuple(earlier[1:]))
            self._replace(self.folder / "champion.json", json.dumps(asdict(back), indent=2))
        return back

    def prune(self, keep: int) -> list[str]:
        """Delete all but the newest `keep` versions; the champion and the one before it always stay.

        What a killed process left half-written goes too.

        Returns
        -------
        list of str
            The versions that were deleted.
        """
        with self._locked():
            champion = self.champion()
            safe = set(self.versions()[-keep:] if keep else [])
            if champion:
                safe |= {champion.version, *champion.previous[:1]}
            doomed = [version for version in self.versions() if version not in safe]
            for version in doomed:
                shutil.rmtree(self._path(version))
            for leftover in self.folder.rglob(f"{_HALF_WRITTEN}*"):
                shutil.rmtree(leftover) if leftover.is_dir() else leftover.unlink()
        return doomed

    def champion_or_none(self) -> Champion | None:
        """Return the champion, `None` also when the pointer cannot be read."""
        try:
            return self.champion()
        except ModelError:
            return None

    # --- the folder ------------------------------------------------------------------------------------------------

    def _path(self, version: str) -> Path:
        if not version or Path(version).name != version or version.startswith("."):
            raise RegistryError(f"{version!r} is not the name of a version")
        return self.folder / "versions" / version

    @contextmanager
    def _locked(self) -> Iterator[None]:
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with FileLock(self.folder / ".lock", timeout=_LOCK_SECONDS):
                yield
        except Timeout:
            raise RegistryError(f"{self.folder} is locked by another promotion for {_LOCK_SECONDS:.0f} s") from None
        except OSError as error:
            raise RegistryError(f"{self.folder} cannot be written: {error.strerror or error}") from error

    def _write_version(self, version: str, files: Mapping[str, bytes]) -> None:
        target = self._path(version)
        staging: Path | None = None
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            staging = Path(tempfile.mkdtemp(prefix=_HALF_WRITTEN, dir=target.parent))
            for name, content in files.items():
                with (staging / name).open("wb") as file:
                    file.write(content)
                    file.flush()
                    os.fsync(file.fileno())
            staging.chmod(0o755)  # mkdtemp makes it private, but other service hosts read it
            staging.rename(target)
        except OSError as error:
            if staging:
                shutil.rmtree(staging, ignore_errors=True)
            raise RegistryError(f"version {version} cannot be saved: {error.strerror or error}") from error

    def _replace(self, path: Path, text: str) -> None:
        handle, name = tempfile.mkstemp(prefix=_HALF_WRITTEN, dir=path.parent)
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            Path(name).chmod(0o644)
            Path(name).replace(path)
        except OSError:
            Path(name).unlink(missing_ok=True)
            raise


def _libraries() -> dict[str, str]:
    return {
        "python": platform.python_version(),
        "scikit-learn": sklearn.__version__,
        "numpy": numpy.__version__,
        "scipy": scipy.__version__,
        "joblib": joblib.__version__,
    }


def _check_compatible(version: str, manifest: Mapping[str, Any], matrix: Matrix) -> None:
    made_by = manifest.get("libraries", {}).get("scikit-learn")
    if made_by != sklearn.__version__:
        raise ModelIncompatibleError(
            f"version {version} was made by scikit-learn {made_by}, here is {sklearn.__version__}; train again"
        )
    if manifest.get("matrix_sha256") != matrix.digest:
        raise ModelIncompatibleError(f"version {version} was trained for another matrix; train again")


def _policy(plain: Mapping[str, Any]) -> Policy:
    calibrators = {k: Calibrator(tuple(v["weights"]), v["intercept"]) for k, v in plain["calibrators"].items()}
    return Policy(**{**plain, "calibrators": calibrators})
