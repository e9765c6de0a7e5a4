"""The built-in demonstration: a real semantic search over Python's own documentation that goes wrong on purpose.

`run` starts an exporter and a traffic process, leads the traffic through the acts and tells what the exporter noticed.
It talks to the exporter over HTTP only, as any team's service would.
"""
