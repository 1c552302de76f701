"""What a log says that documents are about: the newest record of each counts, whoever reads them, and how often."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace

from attune.knowledge_store.model import LinkedEntity, LogPosition
from attune.knowledge_store.rows import Rows
from attune.knowledge_store.store_model import LoggedObject


def restore_objects(rows: Rows, said: Sequence[LoggedObject], position: LogPosition) -> None:
    """See Store.restore_objects."""
    rows.advance(replace(position, next_offset=0))  # moves nothing; but who else reads the partition waits from here on
    held = rows.position(position.log, position.partition)
    linked: defaultdict[str, dict[str, Sequence[LinkedEntity]]] = defaultdict(dict)
    unlinked: defaultdict[str, list[str]] = defaultdict(list)
    newest = {(each.tenant, each.object_id): each.linked for each in said if each.offset >= held}
    for (tenant, object_id), entities in newest.items():
        if entities is None:
            unlinked[tenant].append(object_id)
        else:
            linked[tenant][object_id] = entities
    for tenant, of_tenant in linked.items():
        rows.put_objects(tenant, of_tenant)
    for tenant, object_ids in unlinked.items():
        rows.delete_objects(tenant, object_ids)
    rows.advance(position)
