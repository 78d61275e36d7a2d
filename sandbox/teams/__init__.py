"""A local Teams over real HTTP: the Bot Connector, signed activities with their key endpoint, and the token
endpoint, with the documented limits of Teams enforced.

`nod demo` and `nod sandbox` let people try Nod with it, and the tests use it as their fake Teams.
`tenant.open_teams` makes one, `mount.teams_routes` puts it under a web address.
"""
