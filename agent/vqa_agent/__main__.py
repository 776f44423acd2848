"""`python -m vqa_agent` is `vqa-agent`."""

from vqa_agent.cli import main

if __name__ == "__main__":
    main()
