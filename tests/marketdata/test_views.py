from marketdata.views import index


def test_index_says_what_runs_here_and_where_to_go(rf):
    page = index(rf.get("/")).content.decode()

    assert "Market Data Server</h1>" in page
    assert 'href="/health"' in page
