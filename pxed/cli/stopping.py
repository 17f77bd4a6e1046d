"""`pxed stop-all` and `pxed resume`: the switch that ends all mandatory hand-outs, and starts them again."""

from __future__ import annotations

import click

from pxed.cli.session import Session


@click.command
@click.option("--reason", default="", help="Why, for everybody who asks.")
@click.pass_obj
def stop_all(session: Session, reason: str) -> None:
    """Hand out nothing mandatory any more, to anybody, until `pxed resume`.

    What a person chooses with F12 is offered on. A computer that has loaded its boot image waits some minutes for its
    task sequence, and one that has begun its task sequence goes on with it.

    \b
    Example:
      pxed stop-all --reason "wrong image, ask Jane"
    """
    with session.writing() as tx:
        done = tx.stop_all(reason)
        stop = tx.restraints().stop
    assert stop is not None  # noqa: S101 - it has just been set
    message = "nothing mandatory is handed out any more" if done else f"{stop.by} has stopped everything already"
    session.report({"stopped": True, "by": stop.by, "at": stop.at, "reason": stop.reason}, message)


@click.command
@click.pass_obj
def resume(session: Session) -> None:
    """End what `pxed stop-all` began: mandatory advertisements are handed out again.

    \b
    Example:
      pxed resume
    """
    with session.writing() as tx:
        done = tx.resume()
    session.report({"stopped": False}, "mandatory hand-outs go on" if done else "nothing was stopped")
