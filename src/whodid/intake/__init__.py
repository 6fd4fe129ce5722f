"""Intake: from what somebody sent to content that may be recorded, or to a refusal that says where and what to do.

It decodes and checks; it gives no place, writes nothing and knows no store.
"""

from whodid.intake.check import Intake
from whodid.intake.decode import decode_batch, decode_event, decode_parts

__all__ = ["Intake", "decode_batch", "decode_event", "decode_parts"]
