"""Labels of the temporal tasks, computed from the plan of the clips."""

import torch
from torch import Tensor

from train.plans.plan import AFTER, IGNORE, Plan


def temporal_labels(plan: Plan, has_audio: Tensor) -> dict[str, Tensor]:
    """Compute labels by task, int64; IGNORE for rows that must not count.

    Args:
        plan: of B segments.
        has_audio: (B,) bool.

    Returns:
        Rows as in `Outputs.logits`: (2B,) for speed, direction and the order of video and audio, (B,) for the order
        within one modality.
    """
    timed, sounding = plan.timed.repeat(2), has_audio.repeat(2)
    speed, direction = plan.speed.T.reshape(-1), plan.reverse.T.reshape(-1)  # (2B,), view after view
    # Seen from view 1, "before" is "after" and the other way round.
    flipped = torch.where(plan.order == IGNORE, IGNORE, AFTER - plan.order)
    return {
        "speed_video": _or_ignore(speed, timed),
        "speed_audio": _or_ignore(speed, timed & sounding),
        "direction_video": _or_ignore(direction, timed),
        "direction_audio": _or_ignore(direction, timed & sounding),
        "order_video": plan.order,
        "order_audio": _or_ignore(plan.order, has_audio),
        "order_video_audio": _or_ignore(torch.cat([plan.order, flipped]), sounding),
    }


def _or_ignore(labels: Tensor, mask: Tensor) -> Tensor:
    return torch.where(mask, labels.long(), IGNORE)
