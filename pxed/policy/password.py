"""Who has to know a password: the advertisement's own, else that of a collection it comes through, else the site's."""

from __future__ import annotations

from pxed.policy.verdict import Lock
from pxed.site.model import Advertisement, PasswordScope, Plan

_SITE = (PasswordScope.SITE, 0)


def lock_of(advertisement: Advertisement, plan: Plan) -> Lock | None:
    """What has to be opened before `advertisement` is started; None if it is open. The most exact password wins."""
    for scope, scope_id in (
        (PasswordScope.ADVERTISEMENT, advertisement.id),
        (PasswordScope.COLLECTION, advertisement.collection_id),
        _SITE,
    ):
        people = plan.passwords.get((scope, scope_id))
        if people:
            return Lock(scope, scope_id, people)
    return None
