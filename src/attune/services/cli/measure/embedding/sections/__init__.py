"""What is measured. A new section is a class with `steps` and `summary`, and a line in `all_sections`."""

from attune.services.cli.measure.embedding.bench import Section
from attune.services.cli.measure.embedding.sections.batches import Batches
from attune.services.cli.measure.embedding.sections.closed import ClosedLoop
from attune.services.cli.measure.embedding.sections.in_process import InProcess
from attune.services.cli.measure.embedding.sections.mixed import MixedDomains
from attune.services.cli.measure.embedding.sections.opened import OpenLoop
from attune.services.cli.measure.embedding.sections.overload import Overload
from attune.services.cli.measure.embedding.sections.quality import Quality


def all_sections() -> list[Section]:
    """Every section, in the order of the report."""
    return [
        ClosedLoop(),
        OpenLoop(),
        Batches(),
        InProcess(),
        MixedDomains(),
        Quality(),
        Overload(),
    ]
