# What the project's settings and jobs read of its models and its index, the same in every infrastructure language: these names
# do not change.

output "openai_endpoint" {
  value = "https://${local.account_name}.openai.azure.com"
}

output "content_safety_endpoint" {
  value = "https://${local.account_name}.cognitiveservices.azure.com"
}

output "search_endpoint" {
  value = local.has_search ? "https://${local.search_name}.search.windows.net" : ""
}

output "chat_deployment" {
  value = local.rag.chat.name
}

output "embedding_deployment" {
  value = local.rag.embedding.name
}
