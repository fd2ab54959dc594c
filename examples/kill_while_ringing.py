"""A call whose node dies while it rings, in the simulation: no socket, no clock, the same every time. Run it with Python."""

from tandem.testing.flows import Play

play = Play()
alice, bob = play.phone("alice"), play.phone("bob")
call = alice.invites("bob")
bob.rings()
play.world.kill()  # the call node; the next one takes over
bob.answers()
play.until(lambda: call.state == "talking", "the call")
play.wait(30)
alice.hangs_up()
play.ends()  # time passes until all is quiet; raises when anything is wrong on the wire or on the bill
print(f"{play.cdr.why}, status {play.cdr.status}, taken over {play.cdr.takeovers} time(s)")
