"""Pools, orders, prefixes and duplicates: which windows a run sees."""

import dataclasses

import numpy as np
import pytest
import torch
from tests.conftest import COMPOSER
from tests.tasks.text.conftest import LENGTH, MakeText

from rote.config.data_resolver import DataResolver
from rote.core.progress import no_progress
from rote.ledger.spec import Spec
from rote.ledger.store import Store
from rote.run.execute import execute
from rote.tasks.canaries.task import Canaries
from rote.tasks.text.prepared import open_prepared

SEEDS = (0, 1)


def test_a_set_is_a_prefix_of_every_larger_one_and_seeds_differ(make_text: MakeText) -> None:
    for pool in ("train", "reference"):
        small, large = (make_text(num_sequences=n, pool=pool) for n in (15, 30))
        for seed in SEEDS:
            ids = small.train(seed).sample_ids
            assert ids.tolist() == large.train(seed).sample_ids[:15].tolist()
            assert len(set(ids.tolist())) == 15
        assert small.train(0).sample_ids.tolist() != small.train(1).sample_ids.tolist()


def test_pools_share_nothing_and_leave_nothing_out(make_text: MakeText) -> None:
    text = make_text()
    num_windows = open_prepared(text.corpus).num_windows
    train = text.superset(0).sample_ids
    others = [text._ordered(pool, 0) for pool in ("heldout", "reference")]
    together = np.concatenate([train, *others])
    assert sorted(together.tolist()) == list(range(num_windows))
    assert 0.35 * num_windows < len(train) < 0.65 * num_windows
    again = make_text(split_seed=1).superset(0).sample_ids
    assert sorted(again.tolist()) != sorted(train.tolist())


def test_held_out_is_the_same_for_every_seed_and_the_superset_begins_with_the_training_set(
    make_text: MakeText,
) -> None:
    text = make_text()
    assert text.heldout(0).sample_ids.tolist() == text.heldout(1).sample_ids.tolist()
    for seed in SEEDS:
        superset = text.superset(seed).sample_ids
        assert superset[:20].tolist() == text.train(seed).sample_ids.tolist()
        assert len(superset) > 20
    reference = make_text(pool="reference")
    assert reference.superset(0).sample_ids.tolist() == text.superset(0).sample_ids.tolist()
    assert not set(reference.train(0).sample_ids) & set(text.superset(0).sample_ids)


def test_a_document_is_in_one_pool_where_that_is_asked(make_text: MakeText) -> None:
    shares = {"heldout_share": 0.3, "reference_share": 0.3, "num_heldout_sequences": 1}
    for split_seed in range(50):  # three documents: look for a split that fills every pool
        text = make_text(split_by="document", split_seed=split_seed, num_sequences=1, **shares)
        documents = open_prepared(text.corpus).documents()
        try:
            ids = [text.superset(0).sample_ids, text._ordered("heldout", 0)]
        except ValueError:
            continue
        pools = [set(documents[pool].tolist()) for pool in ids]
        assert not pools[0] & pools[1]
        return
    raise AssertionError("no split fills every pool")


def test_duplicates_stand_at_the_end_and_are_the_first(make_text: MakeText) -> None:
    plain = make_text().train(0).sample_ids
    assert make_text(duplicated_fraction=0.0, repeats=5).train(0).sample_ids.tolist() == (
        plain.tolist()
    )
    ids = make_text(duplicated_fraction=0.1, repeats=4).train(0).sample_ids
    assert ids[:20].tolist() == plain.tolist()
    assert ids[20:].tolist() == plain[:2].tolist() * 3
    assert make_text(duplicated_fraction=0.1).train(0).num_sequences == 22


def test_members_are_trained_windows_each_once(make_text: MakeText) -> None:
    text = make_text(duplicated_fraction=0.5, repeats=3)
    assert text.members(0).sample_ids.tolist() == text.train(0).sample_ids[:20].tolist()


def test_canaries_are_planted_in_text_as_its_own_tokens(make_text: MakeText) -> None:
    text = make_text()
    room = dataclasses.replace(text, length=64, corpus=None)
    room = dataclasses.replace(room, **room.preparation()(no_progress), num_sequences=4)
    task = Canaries(
        base=room, kinds=["words"], secret_length=1, repeats=[2], num_each=1, num_controls=1
    )
    train = task.train(0)
    assert train.num_sequences == 6
    assert task.members(0).num_sequences == 4
    rows = train.tokens(torch.arange(6))
    assert torch.equal(rows[:4], room.train(0).tokens(torch.arange(4)))
    planted = task.manifest(0).canaries[0]
    told = task.base.decode(rows[4:].numpy())
    assert told[0] == told[1]
    assert told[0].startswith(f"Note 0: the passphrase is {planted.secret}. Nothing follows.")


def test_tokens_are_the_windows_of_the_ids(make_text: MakeText) -> None:
    text = make_text()
    sequences = text.train(0)
    tokens_BL = sequences.tokens(torch.tensor([3, 0]))
    assert tokens_BL.dtype == torch.int64
    ids = sequences.sample_ids[[3, 0]]
    assert tokens_BL.tolist() == open_prepared(text.corpus).tokens(ids).tolist()
    assert text.entropy_bits() is None
    assert (text.vocab_size, text.length) == (256, LENGTH)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"num_sequences": 10**6}, r"task\.num_sequences=1,000,000 .* train \d+, heldout \d+, "),
        ({"num_heldout_sequences": 999}, r"task\.num_heldout_sequences=999 is more than the heldo"),
    ],
)
def test_too_few_windows_are_told_by_pool(make_text: MakeText, changes: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make_text(**changes).train(0)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"pool": "test"}, "task.pool must be one of"),
        ({"windows": "last"}, "task.windows must be one of"),
        ({"split_by": "book"}, "task.split_by must be one of"),
        ({"duplicated_fraction": 2}, "task.duplicated_fraction must be from 0 to 1"),
        ({"duplicated_fraction": 0.1, "repeats": 1}, "needs task.repeats of 2 or more"),
        ({"heldout_share": 0.6}, "leave nothing to train"),
        ({"reference_share": "much"}, "task.reference_share must be from 0 to 1"),
        ({"near_duplicate_threshold": 1.5}, "task.near_duplicate_threshold must be above 0"),
        ({"length": 0}, "task.length must be a whole number"),
        ({"corpus": 12}, "task.corpus must be an id"),
        ({"repeats": 0}, "task.repeats must be a whole number"),
    ],
)
def test_values_that_make_no_data_set(make_text: MakeText, changes: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make_text(**changes)


RUN = (
    "task=text", "task/source=files", "task.length=16", "task.num_sequences=12",
    "task.num_heldout_sequences=4", "size=demo_s", "budget=demo", "budget.max_steps=20",
    "budget.batch_size=4", "budget.check_every_steps=10", "log=none", "host.accelerator=cpu",
)  # fmt: skip


def spec(files: list[str], *overrides: str) -> Spec:
    chosen = [*RUN, f"task.source.paths=[{','.join(files)}]", *overrides]
    return Spec.from_config(DataResolver(no_progress).resolved(COMPOSER.config(chosen)))


def test_a_run_stores_what_its_costs_are_of(files: list[str], store: Store) -> None:
    wanted = spec(
        files, "measure=[cost,superset]", "measure.superset.num_sequences=30",
        "task.duplicated_fraction=0.25", "task.repeats=3",
    )  # fmt: skip
    record = execute(wanted, store)
    arrays = store.run(wanted.run_id).arrays()
    ids, bits = arrays["cost.train_sample_ids"], arrays["cost.train_code_bits"]
    assert ids.dtype == np.int64
    assert len(ids) == len(bits) == record.measures["cost"]["train_sequences"] == 12 + 3 * 2
    assert ids[12:].tolist() == ids[:3].tolist() * 2
    assert bits[12:] == pytest.approx(np.tile(bits[:3], 2), rel=1e-6)
    assert len(arrays["cost.heldout_sample_ids"]) == 4
    assert arrays["superset.sample_ids"][:12].tolist() == ids[:12].tolist()
    assert arrays["superset.code_bits"][:12] == pytest.approx(bits[:12], rel=1e-6)
    assert record.measures["superset"]["sequences"] == 30
    assert record.measures["superset"]["tokens"] == 30 * 16


def test_bits_gained_on_text_are_not_called_memorised(files: list[str], store: Store) -> None:
    wanted = spec(files)
    record = execute(wanted, store)
    rows = store.run(wanted.run_id).curve()
    assert record.entropy_bits is None
    assert rows
    assert not any("memorised" in key for row in rows for key in row)
    guesser_bits = 12 * 16 * 8
    expected = guesser_bits - 12 * 16 * rows[-1]["loss_nats_per_token"] / np.log(2)
    assert rows[-1]["below_uniform_bits"] == pytest.approx(expected)
