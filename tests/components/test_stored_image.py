"""An image in the daemon that comes with its resource and goes with it."""

import pulumi
import pytest

from components import daemon as daemon_module
from components import stored_image
from components.daemon import Daemon
from components.registry_login import Access
from components.stored_image import build_image
from tests.components.engine import IMAGE, REMOTE_IMAGE, FakeDaemon, Run, Secret


def connect() -> Daemon:
    """Return the daemon that the tests put in the real one's place."""
    return daemon_module.connect()


class Owner(pulumi.ComponentResource):
    """A component that builds an image."""

    def __init__(self, keep_locally: bool = False, access: Access | None = None, outlived: bool = False) -> None:
        super().__init__("test:index:Owner", "owner")
        built = build_image(
            "x",
            parent=self,
            host=connect(),
            image_name="x:1",
            context=".staging/x",
            platform="linux/amd64",
            keep_locally=keep_locally,
            access=access,
            outlived=outlived,
        )
        self.register_outputs({"reference": built.reference})


def test_the_image_is_built_by_buildkit_and_not_pushed(up: Run) -> None:
    image = up(Owner).find(IMAGE)
    assert (image.name, image.parent) == ("x-image", "owner")
    assert image.inputs["skipPush"] is True
    assert image.inputs["build"] == {
        "builderVersion": "BuilderBuildKit",
        "context": ".staging/x",
        "platform": "linux/amd64",
    }


def test_what_removes_it_follows_it_and_an_update_removes_the_old_one_first(up: Run) -> None:
    stored = up(Owner).find(REMOTE_IMAGE)
    assert (stored.name, stored.parent, stored.dependencies) == ("x-stored", "owner", ["x-image"])
    assert stored.delete_before_replace is True
    assert stored.inputs == {"name": "x:1", "keepLocally": False, "forceRemove": True}


def test_an_image_that_is_kept_is_not_removed(up: Run) -> None:
    assert up(lambda: Owner(keep_locally=True)).find(REMOTE_IMAGE).inputs["keepLocally"] is True


def test_the_reference_is_known_in_a_preview(preview: Run) -> None:
    assert preview(Owner).find("test:index:Owner").outputs == {"reference": "x:1"}


def test_an_image_that_lost_its_name_gets_it_back(up: Run, daemon: FakeDaemon) -> None:
    daemon.gone.add("x:1")
    daemon.nameless.add("x:1")
    engine = up(Owner)
    assert (daemon.built, "x:1" in daemon.images, engine.log) == ([], True, [])


def test_an_image_that_containers_outlive_is_removed_at_the_end_of_an_update(up: Run) -> None:
    assert up(lambda: Owner(outlived=True)).find(REMOTE_IMAGE).delete_before_replace is False


def test_an_image_that_is_gone_from_the_daemon_is_built_again_and_said(up: Run, daemon: FakeDaemon) -> None:
    daemon.gone.add("x:1")
    run = up(Owner)
    assert daemon.built == [(".staging/x", "x:1")]
    assert any("x:1 is gone" in line for line in run.log)


def test_an_image_that_is_there_is_not_built_again(up: Run, daemon: FakeDaemon) -> None:
    up(Owner)
    assert daemon.built == []


def test_a_preview_builds_nothing_again(preview: Run, daemon: FakeDaemon) -> None:
    daemon.gone.add("x:1")
    preview(Owner)
    assert daemon.built == []


@pytest.fixture
def pushed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Put a registry in place that has the images in the list."""
    there: list[str] = ["x:1"]
    monkeypatch.setattr(stored_image, "is_pushed", lambda reference, address, login: reference in there)
    return there


def with_registry() -> None:
    Owner(access=Access.from_args({"address": "registry.example/team", "username": "me", "password": "secret-word"}))


def test_an_image_is_pushed_with_a_login_that_is_a_secret(up: Run, pushed: list[str], daemon: FakeDaemon) -> None:
    run = up(with_registry)
    image = run.find(IMAGE)
    assert image.inputs["skipPush"] is False
    login = {"server": "registry.example", "username": "me", "password": "secret-word"}
    assert image.inputs["registry"] in (Secret(login), {**login, "password": Secret("secret-word")})
    assert run.find(REMOTE_IMAGE).inputs["name"] == "x:1"
    assert (daemon.pushed, daemon.pulled, run.log) == ([], [], [])


def test_an_image_that_is_gone_from_its_registry_is_pushed_again_and_said(
    up: Run, pushed: list[str], daemon: FakeDaemon
) -> None:
    pushed.clear()
    run = up(with_registry)
    assert daemon.pushed == [("x:1", {"username": "me", "password": "secret-word"})]
    assert any("x:1 is gone from its registry" in line for line in run.log)
    assert not any("secret-word" in line for line in run.log)


def test_an_image_that_only_its_registry_has_is_pulled(up: Run, pushed: list[str], daemon: FakeDaemon) -> None:
    daemon.gone.add("x:1")
    up(with_registry)
    assert (daemon.built, daemon.pulled) == ([], [("x:1", {"username": "me", "password": "secret-word"})])
