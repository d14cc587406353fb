output openai_endpoint string = rag.outputs.openai_endpoint
output content_safety_endpoint string = rag.outputs.content_safety_endpoint
output search_endpoint string = rag.outputs.search_endpoint
output chat_deployment string = rag.outputs.chat_deployment
output embedding_deployment string = rag.outputs.embedding_deployment
{% include "extensions/infra/rag." ~ platform ~ ".outputs.bicep" ignore missing %}
