    rag
