{% from "extensions/infra.jinja" import package_hosts %}

package_hosts = {{ package_hosts.get(project_type, ["pypi.org", "files.pythonhosted.org"]) | tojson }}
