"""A local Slack over real HTTP: the Web API, signed interactivity and Socket Mode, with Slack's documented
limits enforced.

`nod demo` and `nod sandbox` let people try Nod with it, and the tests use it as their fake Slack.
`workspace.open_workspace` makes one, `mount.slack_routes` puts it under a web address.
"""
