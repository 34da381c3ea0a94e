"""The doctor: what a run would make of some files, and what would make it better."""

from segpipe.doctor.examination import examine
from segpipe.doctor.record import AxisHealth, Diagnosis, Finding
from segpipe.doctor.text import diagnosis_text

__all__ = ["AxisHealth", "Diagnosis", "Finding", "diagnosis_text", "examine"]
