"""The jars of Apache Kafka, cached once for every clone on this machine.

They are checked before every start. A cache folder has its final name only when it is whole
(jar_download.py).
"""

from pathlib import Path

from sanyuan.client.progress import Report, silent
from sanyuan.sandbox import jars


def ensure(cache_folder: Path, report: Report = silent) -> Path:
    """Returns the folder of all jars, fetching them when it is not there.

    Raises JarsUnavailableError, JarForgedError or CacheFolderError; the cache is as it was then.
    """
    home = jars.folder(cache_folder)
    if jars.is_whole(home):
        return home
    from sanyuan.sandbox import jar_download  # noqa: PLC0415  0.5 s that only the first start needs

    jar_download.fetch(jars.pinned(), home, report)
    return home
