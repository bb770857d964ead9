"""Label methods of the client, over a service with a broker."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from duet import Client, ConflictError, NotAllowedError, NotFoundError
from tests.support.labels import disputed, not_chosen
from tests.support.service import ServiceProcess, service_process, write_home
from tests.support.traffic import write_segment

pytestmark = pytest.mark.slow
KEY, FEEDBACK_KEY = "k" * 16, "f" * 16
OTHERS = not_chosen(450)
"""Images that are not in the queue, for feedback of more than two requests."""


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServiceProcess]:
    home = tmp_path_factory.mktemp("home")
    write_home(home)
    write_segment(home, [*(disputed(name) for name in "abc"), *OTHERS])
    keys = {"DUET_API_KEYS": f"jobs:{KEY},feedback:{FEEDBACK_KEY}"}
    with service_process(home, **keys, DUET_EMBEDDED_BROKER="1", DUET_EMBEDDED_WORKER="0") as running:
        yield running


@pytest.fixture
def client(service: ServiceProcess) -> Iterator[Client]:
    with Client(service.url, api_key=KEY) as connected:
        yield connected


def test_feedback_of_many_images_is_sent_in_parts(service: ServiceProcess) -> None:
    labels: dict[str, str | None] = {each.id: "cat" for each in OTHERS}
    lynx, none = OTHERS[7].id, OTHERS[8].id
    with Client(service.url, api_key=FEEDBACK_KEY) as sender:
        first = sender.feedback(labels | {"gone": "cat"})
        assert (first.stored, first.unchanged, first.unknown, first.new_classes) == (len(OTHERS), 0, ("gone",), ())
        again = sender.feedback(labels | {lynx: "lynx", none: None})
        assert (again.stored, again.unchanged, again.new_classes) == (2, len(OTHERS) - 2, ("lynx",))
        assert sender.feedback({}).stored == 0
        with pytest.raises(NotAllowedError):
            sender.labels()


def test_labels_are_the_current_ones_or_all(client: Client) -> None:
    image = OTHERS[0].id
    client.feedback({image: "cat"})
    client.feedback({image: "dog"})
    assert [each["label"] for each in client.labels() if each["id"] == image] == ["dog"]
    history = [each["label"] for each in client.labels(history=True) if each["id"] == image]
    assert history[-2:] == ["cat", "dog"]


def test_pictures_are_labelled_skipped_and_undone(client: Client) -> None:
    waiting = client.labelling().counts.waiting
    first = client.next_picture().task
    assert first is not None
    with pytest.raises(ConflictError):
        client.label_picture(first.id, "label", label="cat", claim="another")
    done = client.label_picture(first.id, "label", label="cat", claim=first.claim)
    assert (done.label, done.is_labelled, done.counts.waiting) == ("cat", True, waiting - 1)
    second = client.next_picture().task
    assert second is not None
    assert client.label_picture(second.id, "none", claim=second.claim).is_labelled
    undone = client.label_picture(second.id, "undo")
    assert (undone.is_labelled, undone.counts.waiting) == (False, waiting - 1)
    assert undone.task is not None
    assert not client.label_picture(second.id, "skip", claim=undone.task.claim).is_labelled
    estimates = client.labelling().estimates
    assert [each.images for each in estimates] == [1]
    with pytest.raises(NotFoundError):
        client.label_picture("0" * 32, "skip", claim="c")


def test_labelled_traffic_becomes_a_data_set(client: Client) -> None:
    client.feedback({"a": "cat", "b": "dog"})
    made = client.add_traffic("wild")
    assert {"cat", "dog"} <= {each.label for each in made.dataset.classes}
    assert made.added + made.duplicates >= 2
