"""``omnilake console``: the console page in a browser.

Every route of the API wants a signature or a token, the page's own included, and a browser has neither. So this process
stands between them on 127.0.0.1: it signs what the page asks for (``cli.console_proxy``), and no credential gets into
the browser.
"""

from __future__ import annotations

import click


@click.command(short_help="Open the console page in the browser.")
@click.option("--endpoint", help="Address of the API. Default: OMNILAKE_ENDPOINT, else the stack's output ApiEndpoint.")
@click.option("--token", help="JWT, where the API takes those. Default: OMNILAKE_TOKEN; else AWS credentials sign.")
@click.option("--port", type=click.IntRange(1, 65_535), help="Default: any free one.")
@click.option("--no-browser", is_flag=True, help="Only print the address.")
@click.pass_obj
def console(stack: str, endpoint: str | None, token: str | None, port: int | None, no_browser: bool) -> None:
    """Open the console page: ask, add documents, watch jobs, see costs."""
    from omnilake.cli.console_proxy import ConsoleProxy
    from omnilake.client.signing import authentication, find_endpoint

    proxy = ConsoleProxy(find_endpoint(endpoint, stack), authentication(token), port or 0)
    click.echo(f"{proxy.opening_url}   (opens once; Ctrl-C ends it)")
    if not no_browser:
        click.launch(proxy.opening_url)
    try:
        proxy.serve_forever()
    except KeyboardInterrupt:
        click.echo()
    finally:
        proxy.server_close()
