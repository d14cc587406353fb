{% from "extensions/infra.jinja" import more_package_hosts, package_hosts %}

package_hosts = {{ (package_hosts + more_package_hosts.get(project_type, [])) | tojson }}
